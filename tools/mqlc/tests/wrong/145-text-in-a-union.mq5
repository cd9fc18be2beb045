// error 216
union U {
   string a; // <-
   int b;
};
