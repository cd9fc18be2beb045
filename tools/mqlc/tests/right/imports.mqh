#import "ws2_32.dll"
int WSAGetLastError();
int send(int handle, uchar &data[], int length, int flags);
int ioctlsocket(int handle, int command, int &argument);
#import

int Test(uchar &data[]) {
   int on = 1;
   if(ws2_32::ioctlsocket(1, (int)0x8004667E, on) != 0)
      return ws2_32::WSAGetLastError();
   return ws2_32::send(1, data, ArraySize(data), 0);
}
