// error 399
interface I {
   int F();
};

void G() {
   I *p = new I(); // <-
   delete p;
}
