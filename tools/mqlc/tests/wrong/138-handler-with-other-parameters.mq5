// error 0
void OnDeinit() { // <-
}
