// error 201
#import "a.dll"
int Ask(uint &a);
#import

int F() {
   int b = 0;
   return a::Ask(b); // <-
}
