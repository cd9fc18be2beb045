// error 300
#import "a.dll" // <-
int F(int a);
