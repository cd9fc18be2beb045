//+------------------------------------------------------------------+
//| Net4.mqh: Windows' sockets, because MetaTrader 4 has none         |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_NET4_MQH
#define MTBRIDGE_NET4_MQH

#include <MtBridge\Bytes.mqh>

#import "ws2_32.dll"
int WSAStartup(int version, uchar &data[]);
int WSACleanup();
int WSAGetLastError();
int WSAConnectByNameW(int handle, string host, string service, int local_length, int local, int remote_length, int remote, int &wait[],
                      int reserved);
int socket(int family, int kind, int protocol);
int connect(int handle, uchar &address[], int length);
int ioctlsocket(int handle, int command, int &argument);
int setsockopt(int handle, int level, int option, int &value, int length);
int select(int ignored, int &readable[], int &writable[], int &broken[], int &wait[]);
int send(int handle, uchar &data[], int length, int flags);
int recv(int handle, uchar &data[], int length, int flags);
int closesocket(int handle);
#import

#define MTB_WS_VERSION 0x0202
#define MTB_WS_INET 2
#define MTB_WS_STREAM 1
#define MTB_WS_TCP 6
/// FIONBIO, as the signed number that the call takes.
#define MTB_WS_NONBLOCKING ((int)0x8004667E)
#define MTB_WS_NODELAY 1
#define MTB_WS_SOCKET_LEVEL 0xFFFF
#define MTB_WS_CONNECTED 0x7010
#define MTB_WS_WOULD_BLOCK 10035

/// The four bytes of a dotted IPv4 address. False for a name.
bool MtbDotted(const string host, uchar &address[], const int at) {
   string parts[];
   if(StringSplit(host, 46, parts) != 4)
      return false;
   for(int i = 0; i < 4; i++) {
      int length = StringLen(parts[i]);
      if(length < 1 || length > 3)
         return false;
      for(int j = 0; j < length; j++)
         if(StringGetCharacter(parts[i], j) < 48 || StringGetCharacter(parts[i], j) > 57)
            return false;
      long value = StringToInteger(parts[i]);
      if(value > 255)
         return false;
      address[at + i] = (uchar)value;
   }
   return true;
}

/// One TCP connection. Only a name (not an address in numbers) blocks while connecting, for MTB_CONNECT_MS at most.
class CNet {
private:
   int m_socket;
   bool m_started;
   bool m_connected;
   string m_problem;
   string m_where;
   uchar m_chunk[];

   bool Fail(const string problem) {
      Close();
      m_problem = problem;
      return false;
   }

   bool FailConnect(const int code) {
      return Fail("Cannot connect to " + m_where + " (Windows error " + IntegerToString(code) + "). Is the hub running and not behind a firewall?");
   }

   bool Unblock() {
      int on = 1;
      if(ws2_32::ioctlsocket(m_socket, MTB_WS_NONBLOCKING, on) != 0)
         return Fail("Windows gave no socket that does not block (error " + IntegerToString(ws2_32::WSAGetLastError()) + ").");
      on = 1;
      // Answers are small and urgent.
      ws2_32::setsockopt(m_socket, MTB_WS_TCP, MTB_WS_NODELAY, on, 4);
      return true;
   }

   bool ConnectByNumber(uchar &address[]) {
      if(!Unblock())
         return false;
      if(ws2_32::connect(m_socket, address, 16) == 0) {
         m_connected = true;
         return true;
      }
      int code = ws2_32::WSAGetLastError();
      return code == MTB_WS_WOULD_BLOCK ? true : FailConnect(code);
   }

   bool ConnectByName(const string host, const int port) {
      int wait[2];
      wait[0] = MTB_CONNECT_MS / 1000;
      wait[1] = (MTB_CONNECT_MS % 1000) * 1000;
      string name = host;
      string service = IntegerToString(port);
      if(ws2_32::WSAConnectByNameW(m_socket, name, service, 0, 0, 0, 0, wait, 0) == 0)
         return FailConnect(ws2_32::WSAGetLastError());
      int ignored = 0;
      ws2_32::setsockopt(m_socket, MTB_WS_SOCKET_LEVEL, MTB_WS_CONNECTED, ignored, 0);
      m_connected = true;
      return Unblock();
   }

public:
   CNet() {
      m_socket = -1;
      m_started = false;
      m_connected = false;
      m_problem = "";
      m_where = "";
   }

   ~CNet() {
      Close();
      if(m_started)
         ws2_32::WSACleanup();
   }

   bool IsOpen() const { return m_socket != -1; }

   /// What went wrong last, in words.
   string Problem() const { return m_problem; }

   /// Connects, or begins to: ask Progress(). False if it failed.
   bool Open(const string host, const int port, const bool tls) {
      Close();
      m_where = host + ":" + IntegerToString(port);
      if(tls)
         return Fail("MetaTrader 4 has no encrypted connections: use ws:// to a hub on this machine or network, or a TLS proxy on this machine.");
      if(!IsDllsAllowed())
         return Fail("DLL imports are off. Open the EA's properties (F7) > Common and tick \"Allow DLL imports\"; also in Tools > Options > " +
                     "Expert Advisors. MetaTrader 4 needs Windows' ws2_32.dll to connect.");
      if(!m_started) {
         uchar data[512];
         ArrayInitialize(data, 0);
         m_started = ws2_32::WSAStartup(MTB_WS_VERSION, data) == 0;
      }
      m_socket = m_started ? ws2_32::socket(MTB_WS_INET, MTB_WS_STREAM, MTB_WS_TCP) : -1;
      if(m_socket == -1)
         return Fail("Windows gave no socket.");
      uchar address[16];
      ArrayInitialize(address, 0);
      address[0] = MTB_WS_INET;
      address[2] = (uchar)(port >> 8);
      address[3] = (uchar)(port & 0xFF);
      string numbers = host == "localhost" ? "127.0.0.1" : host;
      return MtbDotted(numbers, address, 4) ? ConnectByNumber(address) : ConnectByName(host, port);
   }

   /// 1: connected, 0: still connecting, -1: failed.
   int Progress() {
      if(!IsOpen())
         return -1;
      if(m_connected)
         return 1;
      int nothing[65];
      int writable[65];
      int broken[65];
      int wait[2];
      ArrayInitialize(nothing, 0);
      ArrayInitialize(writable, 0);
      ArrayInitialize(broken, 0);
      ArrayInitialize(wait, 0);
      writable[0] = 1;
      writable[1] = m_socket;
      broken[0] = 1;
      broken[1] = m_socket;
      if(ws2_32::select(0, nothing, writable, broken, wait) < 0 || broken[0] > 0) {
         FailConnect(ws2_32::WSAGetLastError());
         return -1;
      }
      m_connected = writable[0] > 0;
      return m_connected ? 1 : 0;
   }

   /// Appends what has arrived to `buffer`, of which `size` bytes are in use. Returns the number of new bytes, -1 if the connection broke
   /// with nothing new.
   int Receive(uchar &buffer[], const int size) {
      int total = 0;
      if(ArraySize(m_chunk) < MTB_CHUNK)
         ArrayResize(m_chunk, MTB_CHUNK);
      while(IsOpen() && total < MTB_TURN_BYTES) {
         int got = ws2_32::recv(m_socket, m_chunk, MTB_CHUNK, 0);
         if(got <= 0) {
            if(got < 0 && ws2_32::WSAGetLastError() == MTB_WS_WOULD_BLOCK)
               break;
            Fail("The connection to the hub broke.");
            return total > 0 ? total : -1;
         }
         if(ArraySize(buffer) < size + total + got)
            ArrayResize(buffer, 2 * (size + total + got));
         ArrayCopy(buffer, m_chunk, size + total, 0, got);
         total += got;
      }
      return IsOpen() || total > 0 ? total : -1;
   }

   /// Writes as much as can be written at once. Returns the number of bytes, -1 if the connection broke.
   int Send(const uchar &data[], const int from, const int count) {
      int done = 0;
      if(ArraySize(m_chunk) < MTB_CHUNK)
         ArrayResize(m_chunk, MTB_CHUNK);
      while(IsOpen() && done < count) {
         int part = count - done < MTB_CHUNK ? count - done : MTB_CHUNK;
         ArrayCopy(m_chunk, data, 0, from + done, part);
         int sent = ws2_32::send(m_socket, m_chunk, part, 0);
         if(sent < 0) {
            if(ws2_32::WSAGetLastError() == MTB_WS_WOULD_BLOCK)
               break;
            Fail("The connection to the hub broke while writing.");
            return -1;
         }
         done += sent;
         if(sent == 0)
            break;
      }
      return IsOpen() ? done : -1;
   }

   void Close() {
      if(m_socket != -1)
         ws2_32::closesocket(m_socket);
      m_socket = -1;
      m_connected = false;
   }
};

#endif
