int Read(const int socket, uchar &to[]) {
   uint there = SocketIsReadable(socket);
   if(there == 0)
      return 0;
   return SocketIsConnected(socket) ? SocketRead(socket, to, there, 1) : -1;
}
void OnBookEvent(const string &symbol) { Print(symbol); }
