// The API reference: Swagger UI over the hub's own document. Keys that are typed into it stay in this page.
"use strict";
window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  docExpansion: "none",
  defaultModelsExpandDepth: 0,
  filter: true,
  displayRequestDuration: true,
  persistAuthorization: false,
  // Nothing leaves the hub: no validator badge.
  validatorUrl: null,
});
