//! People who log in, as a browser does it.

use serde_json::{Value, json};

use super::{Answer, Api, TestHub, fresh};

/// Everybody's password here.
pub const PASSWORD: &str = "tall trees stand in fog";

impl TestHub {
    /// The one-time code that this start has shown.
    pub fn setup_code(&self) -> Option<String> {
        self.server.as_ref().unwrap().setup_code().map(|code| code.reveal().to_owned())
    }

    /// A user with this role, made by `by` and set up, who has not logged in yet.
    pub async fn made_user(&self, by: &Api, role: &str) -> Value {
        let login = format!("{role}-{}", fresh());
        let made = by.post("/api/v1/users", json!({"login": login, "role": role})).await.expect(201);
        let body = json!({"code": made["setup_code"], "password": PASSWORD});
        self.api("").post("/api/v1/setup", body).await.expect(201)
    }

    /// The same, logged in.
    pub async fn user(&self, by: &Api, role: &str) -> Api {
        let made = self.made_user(by, role).await;
        self.logged_in(made["login"].as_str().unwrap()).await
    }

    pub async fn try_login(&self, login: &str, password: &str) -> Answer {
        self.api("").post("/api/v1/session", json!({"login": login, "password": password})).await
    }

    /// A browser with the cookie of a new login.
    pub async fn logged_in(&self, login: &str) -> Api {
        let answer = self.try_login(login, PASSWORD).await;
        let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        answer.expect(201);
        self.browser(&cookie)
    }

    /// Calls as a page of this hub makes them.
    pub fn browser(&self, cookie: &str) -> Api {
        self.api("").with("cookie", cookie).with("origin", &format!("http://{}", self.config.listen))
    }
}

impl Api {
    /// Who this caller is to the hub.
    pub async fn who(&self) -> Value {
        self.get("/api/v1/session").await.expect(200)
    }
}
