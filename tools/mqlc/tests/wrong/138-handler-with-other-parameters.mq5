// warning 56
void OnDeinit() { // <-
}
