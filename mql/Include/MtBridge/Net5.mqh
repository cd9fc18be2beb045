//+------------------------------------------------------------------+
//| Net5.mqh: MetaTrader 5's own sockets                             |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_NET5_MQH
#define MTBRIDGE_NET5_MQH

/// One TCP connection, plain or inside TLS. Only Open() blocks, for MTB_CONNECT_MS at most.
class CNet {
private:
   int m_socket;
   bool m_tls;
   string m_problem;
   uchar m_chunk[];

   bool Fail(const string problem) {
      Close();
      m_problem = problem;
      return false;
   }

   /// Why connecting failed, with what to click.
   string ConnectProblem(const string host, const int port, const int code) const {
      if(code == 4014)
         return "MetaTrader does not allow connections to \"" + host + "\". Open Tools > Options > Expert Advisors, tick " +
                "\"Allow WebRequest for listed URL\", add https://" + host + " and press OK.";
      return "Cannot connect to " + host + ":" + IntegerToString(port) + " (error " + IntegerToString(code) + "). Is the hub running? Is " +
             "https://" + host + " in the list of Tools > Options > Expert Advisors > \"Allow WebRequest for listed URL\"?";
   }

   /// Bytes of one read into m_chunk: 0 if there are none now, -1 if the connection is broken.
   int ReadChunk() {
      ResetLastError();
      if(m_tls) {
         int read = SocketTlsReadAvailable(m_socket, m_chunk, MTB_CHUNK);
         return read == 0 && !SocketIsConnected(m_socket) ? -1 : read;
      }
      uint readable = SocketIsReadable(m_socket);
      if(readable == 0)
         return SocketIsConnected(m_socket) ? 0 : -1;
      // On an empty buffer it says 1 all the same: then the read waits out its millisecond and says -1, which is no error.
      uint wanted = readable < MTB_CHUNK ? readable : MTB_CHUNK;
      ResetLastError();
      int got = SocketRead(m_socket, m_chunk, wanted, 1);
      if(got > 0)
         return got;
      int code = GetLastError();
      return code == 5273 || code == 5270 || !SocketIsConnected(m_socket) ? -1 : 0;
   }

public:
   CNet() {
      m_socket = INVALID_HANDLE;
      m_tls = false;
      m_problem = "";
   }

   ~CNet() { Close(); }

   bool IsOpen() const { return m_socket != INVALID_HANDLE; }

   /// What went wrong last, in words.
   string Problem() const { return m_problem; }

   /// Connects. False if it failed.
   bool Open(const string host, const int port, const bool tls) {
      Close();
      if(port == 443 && !tls)
         return Fail("Port 443 is always encrypted in MetaTrader: use wss://, or another port for ws://.");
      ResetLastError();
      m_socket = SocketCreate();
      if(m_socket == INVALID_HANDLE)
         return Fail("MetaTrader gave no socket (error " + IntegerToString(GetLastError()) + ").");
      ResetLastError();
      if(!SocketConnect(m_socket, host, (uint)port, MTB_CONNECT_MS))
         return Fail(ConnectProblem(host, port, GetLastError()));
      m_tls = tls;
      // The handshake is a few journeys to the hub.
      SocketTimeouts(m_socket, MTB_CONNECT_MS, MTB_CONNECT_MS);
      ResetLastError();
      // Port 443 was made TLS by SocketConnect itself.
      if(tls && port != 443 && !SocketTlsHandshake(m_socket, host))
         return Fail("The encrypted connection to " + host + " failed (error " + IntegerToString(GetLastError()) +
                     "). Does the hub speak wss:// there, with a certificate that Windows trusts for this name?");
      // A read or write that blocks would stop the EA's only thread.
      SocketTimeouts(m_socket, 1000, 1000);
      return true;
   }

   /// 1: connected, 0: still connecting, -1: failed.
   int Progress() const { return IsOpen() ? 1 : -1; }

   /// Appends what has arrived to `buffer`, of which `size` bytes are in use. Returns the number of new bytes, -1 if the connection broke
   /// with nothing new.
   int Receive(uchar &buffer[], const int size) {
      int total = 0;
      while(IsOpen() && total < MTB_TURN_BYTES) {
         int got = ReadChunk();
         if(got < 0) {
            Fail("The connection to the hub broke.");
            return total > 0 ? total : -1;
         }
         if(got == 0)
            break;
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
      while(IsOpen() && done < count && SocketIsWritable(m_socket)) {
         int part = count - done < MTB_CHUNK ? count - done : MTB_CHUNK;
         if(ArraySize(m_chunk) < part)
            ArrayResize(m_chunk, MTB_CHUNK);
         ArrayCopy(m_chunk, data, 0, from + done, part);
         int sent = m_tls ? SocketTlsSend(m_socket, m_chunk, (uint)part) : SocketSend(m_socket, m_chunk, (uint)part);
         // After an error nobody knows how much of it left: only a new connection is in step again.
         if(sent < 0) {
            Fail("The connection to the hub broke while writing.");
            return -1;
         }
         done += sent;
         if(sent == 0)
            break;
      }
      if(IsOpen() && done == 0 && count > 0 && !SocketIsConnected(m_socket))
         Fail("The connection to the hub broke.");
      return IsOpen() ? done : -1;
   }

   void Close() {
      if(m_socket != INVALID_HANDLE)
         SocketClose(m_socket);
      m_socket = INVALID_HANDLE;
      m_tls = false;
   }
};

#endif
