//+------------------------------------------------------------------+
//| WebSocket.mqh: a WebSocket client (RFC 6455)                     |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_WEBSOCKET_MQH
#define MTBRIDGE_WEBSOCKET_MQH

#include <MtBridge\Net.mqh>
#include <MtBridge\Handshake.mqh>

#define MTB_WEB_CLOSED 0
#define MTB_WEB_CONNECTING 1
#define MTB_WEB_UPGRADING 2
#define MTB_WEB_OPEN 3

/// A message of the hub may be so long, bytes.
#define MTB_MESSAGE_MAX 1048576
/// So much may wait to be written before the connection is given up, bytes.
#define MTB_UNSENT_MAX 16777216
/// TCP and handshake together, and taking what is written, microseconds.
#define MTB_ANSWER_US 10000000

/// So many frames without a message are dealt with before the turn goes on.
#define MTB_FRAMES_MAX 64

#define MTB_FRAME_CONTINUATION 0
#define MTB_FRAME_TEXT 1
#define MTB_FRAME_BINARY 2
#define MTB_FRAME_CLOSE 8
#define MTB_FRAME_PING 9
#define MTB_FRAME_PONG 10

/// A WebSocket that never blocks: `Turn()` moves what can be moved, `Next()` gives the messages that have come, `Send()` queues one,
/// `Flush()` writes.
class CWebSocket {
private:
   CNet m_net;
   CHandshake m_handshake;
   int m_state;
   ulong m_since_us;
   ulong m_heard_us;
   /// What has arrived: from m_at to m_size it is not dealt with yet.
   uchar m_in[];
   int m_at;
   int m_size;
   bool m_ended;
   /// A message that came in fragments.
   uchar m_message[];
   int m_message_size;
   int m_message_kind;
   /// What waits to be written: from m_out_at to m_out_size.
   uchar m_out[];
   int m_out_at;
   int m_out_size;
   ulong m_moved_us;
   /// The newest ping that is not answered yet. Older ones need no answer of their own (RFC 6455, 5.5.3).
   uchar m_ping[];
   int m_ping_size;
   bool m_pinged;
   /// How it ended.
   int m_code;
   string m_problem;
   MtbHttpAnswer m_answer;
   MtbAddress m_address;
   string m_token;

   void End(const string problem) {
      m_problem = problem;
      m_state = MTB_WEB_CLOSED;
      m_net.Close();
   }

   /// Ends it with a close frame of our own.
   void Break(const int code, const string problem) {
      SendClose(code);
      m_code = 1006;
      End(problem);
   }

   void SendClose(const int code) {
      // Nothing follows a close frame.
      m_pinged = false;
      uchar payload[2];
      payload[0] = (uchar)(code >> 8);
      payload[1] = (uchar)(code & 0xFF);
      Frame(MTB_FRAME_CLOSE, payload, code == 1005 ? 0 : 2);
      Flush();
   }

   /// Makes room for so many more bytes to write.
   void Room(const int more) {
      if(m_out_at > m_out_size / 2 || m_out_at == m_out_size) {
         m_out_size = MtbMoveDown(m_out, m_out_at, m_out_size);
         m_out_at = 0;
      }
      if(ArraySize(m_out) < m_out_size + more)
         ArrayResize(m_out, 2 * (m_out_size + more));
   }

   /// Queues one frame, masked by four fresh random bytes.
   void Frame(const int kind, const uchar &payload[], const int count) {
      if(m_out_at == m_out_size)
         m_moved_us = GetMicrosecondCount();
      // Whoever sends has looked at the limit; what comes on top of it is bounded here.
      if(Unsent() > MTB_UNSENT_MAX + MTB_MESSAGE_MAX) {
         End("The hub does not read.");
         return;
      }
      Room(count + 14);
      m_out[m_out_size++] = (uchar)(0x80 | kind);
      if(count < 126) {
         m_out[m_out_size++] = (uchar)(0x80 | count);
      } else if(count < 65536) {
         m_out[m_out_size++] = 0xFE;
         m_out[m_out_size++] = (uchar)(count >> 8);
         m_out[m_out_size++] = (uchar)(count & 0xFF);
      } else {
         m_out[m_out_size++] = 0xFF;
         MtbPutBig64(m_out, m_out_size, (ulong)count);
         m_out_size += 8;
      }
      uchar mask[4];
      for(int i = 0; i < 4; i++) {
         mask[i] = (uchar)m_random.Next();
         m_out[m_out_size++] = mask[i];
      }
      for(int i = 0; i < count; i++)
         m_out[m_out_size + i] = (uchar)(payload[i] ^ mask[i & 3]);
      m_out_size += count;
   }

   void AnswerPing() {
      if(!m_pinged || m_state != MTB_WEB_OPEN)
         return;
      m_pinged = false;
      Frame(MTB_FRAME_PONG, m_ping, m_ping_size);
   }

   void Upgrade() {
      uchar request[];
      int count = MtbToUtf8(m_handshake.Request(m_address, m_token, m_random), request);
      Room(count);
      ArrayCopy(m_out, request, m_out_size, 0, count);
      m_out_size += count;
      m_moved_us = GetMicrosecondCount();
      m_state = MTB_WEB_UPGRADING;
   }

   void ReadAnswer() {
      int taken = m_handshake.Read(m_in, m_size, m_ended, m_answer);
      if(taken == 0)
         return;
      m_at = taken < m_size ? taken : m_size;
      if(m_answer.status == 101 && m_answer.problem == "")
         m_state = MTB_WEB_OPEN;
      else
         End(m_answer.problem);
   }

   /// Takes what has arrived into m_in.
   void Drain() {
      if(m_at > 0) {
         m_size = MtbMoveDown(m_in, m_at, m_size);
         m_at = 0;
      }
      // While a turn's messages still wait, TCP holds back the rest.
      if(m_ended || m_size > 2 * MTB_MESSAGE_MAX)
         return;
      int got = m_net.Receive(m_in, m_size);
      if(got < 0) {
         m_ended = true;
         return;
      }
      m_size += got;
      if(got > 0)
         m_heard_us = GetMicrosecondCount();
   }

   /// Length of the frame's head at m_at; 0 if it is not all there. `length` is that of the payload, -1 for a frame that is too long.
   int Head(int &length) const {
      length = 0;
      if(m_size - m_at < 2)
         return 0;
      int told = (int)m_in[m_at + 1] & 0x7F;
      int head = told < 126 ? 2 : (told == 126 ? 4 : 10);
      if(m_size - m_at < head)
         return 0;
      if(told < 126) {
         length = told;
      } else if(told == 126) {
         length = ((int)m_in[m_at + 2] << 8) | (int)m_in[m_at + 3];
      } else {
         ulong wide = MtbGetBig64(m_in, m_at + 2);
         length = wide > MTB_MESSAGE_MAX ? -1 : (int)wide;
      }
      return head;
   }

   /// Judges the first bytes of a frame. False: it is against the rules, and the connection is over.
   bool Judge(const int first, const bool masked, const int length) {
      int kind = first & 15;
      bool last = (first & 0x80) != 0;
      bool control = kind >= 8;
      if((first & 0x70) != 0 || masked || (kind > 2 && kind < 8) || kind > 10)
         Break(1002, "The hub sent a frame that is against the rules of WebSocket.");
      else if(control && (!last || length > 125))
         Break(1002, "The hub sent a control frame that is too long or in pieces.");
      else if(length < 0 || (!control && m_message_size + length > MTB_MESSAGE_MAX))
         Break(1009, "The hub sent a message above 1 MiB.");
      else if(!control && (kind == MTB_FRAME_CONTINUATION) != (m_message_kind != 0))
         Break(1002, "The hub sent fragments out of order.");
      return m_state == MTB_WEB_OPEN;
   }

   /// A close frame: answers it, and remembers why.
   void Closed(const int at, const int length) {
      int code = length >= 2 ? ((int)m_in[at] << 8) | (int)m_in[at + 1] : 1005;
      bool known = (code >= 1000 && code <= 1014 && code != 1004 && code != 1006) || (code >= 3000 && code <= 4999);
      if(length == 1 || !known || (length > 0 && code == 1005)) {
         Break(1002, "The hub sent a close frame that is against the rules.");
         return;
      }
      if(length > 2 && !MtbIsUtf8(m_in, at + 2, length - 2)) {
         Break(1007, "The hub sent a close frame that is no UTF-8.");
         return;
      }
      string words = length > 2 ? MtbFromUtf8(m_in, at + 2, length - 2) : "";
      SendClose(code);
      m_code = code;
      End(words);
   }

   /// Takes one frame from m_in. 1: a message is whole in m_message; 0: a frame was dealt with; -1: there is no whole frame.
   int Step() {
      int length = 0;
      int head = Head(length);
      if(head == 0)
         return -1;
      int first = (int)m_in[m_at];
      if(!Judge(first, ((int)m_in[m_at + 1] & 0x80) != 0, length))
         return -1;
      if(m_size - m_at < head + length)
         return -1;
      int from = m_at + head;
      int kind = first & 15;
      m_at = from + length;
      if(kind == MTB_FRAME_CLOSE) {
         Closed(from, length);
         return -1;
      }
      if(kind == MTB_FRAME_PING) {
         ArrayResize(m_ping, 125);
         if(length > 0)
            ArrayCopy(m_ping, m_in, 0, from, length);
         m_ping_size = length;
         m_pinged = true;
         return 0;
      }
      if(kind == MTB_FRAME_PONG)
         return 0;
      if(kind != MTB_FRAME_CONTINUATION) {
         m_message_kind = kind;
         m_message_size = 0;
      }
      if(ArraySize(m_message) < m_message_size + length)
         ArrayResize(m_message, 2 * (m_message_size + length));
      if(length > 0)
         ArrayCopy(m_message, m_in, m_message_size, from, length);
      m_message_size += length;
      return (first & 0x80) != 0 ? 1 : 0;
   }

public:
   /// Masks and keys come from here.
   CRandom m_random;

   CWebSocket() {
      m_state = MTB_WEB_CLOSED;
      m_code = 1006;
      Reset();
   }

   int State() const { return m_state; }

   bool IsOpen() const { return m_state == MTB_WEB_OPEN; }

   /// The close code of the hub; 1006 if there was none.
   int Code() const { return m_code; }

   /// How it ended, in words.
   string Problem() const { return m_problem; }

   /// HTTP status of a handshake that was refused; 0 if there was none.
   int Status() const { return m_answer.status; }

   /// How long the hub asks to wait, seconds.
   int RetryAfter() const { return m_answer.retry_after; }

   /// When a frame was last heard, as GetMicrosecondCount().
   ulong Heard() const { return m_heard_us; }

   /// How many bytes wait to be written.
   int Unsent() const { return m_out_size - m_out_at; }

   /// Forgets everything of an earlier connection.
   void Reset() {
      m_net.Close();
      m_since_us = GetMicrosecondCount();
      m_heard_us = m_since_us;
      m_moved_us = m_since_us;
      m_at = 0;
      m_size = 0;
      m_ended = false;
      m_message_size = 0;
      m_message_kind = 0;
      m_out_at = 0;
      m_out_size = 0;
      m_code = 1006;
      m_problem = "";
      m_ping_size = 0;
      m_pinged = false;
      m_answer.status = 0;
      m_answer.retry_after = 0;
      m_answer.problem = "";
   }

   /// Begins to connect; may block for MTB_CONNECT_MS.
   void Connect(const MtbAddress &address, const string token) {
      Reset();
      m_address = address;
      m_token = token;
      m_state = MTB_WEB_CONNECTING;
      if(!m_net.Open(address.host, address.port, address.tls))
         End(m_net.Problem());
      m_heard_us = GetMicrosecondCount();
      m_since_us = m_heard_us;
   }

   /// Moves the connection on by what has arrived.
   void Turn() {
      if(m_state == MTB_WEB_CLOSED)
         return;
      if(m_state == MTB_WEB_CONNECTING) {
         int progress = m_net.Progress();
         if(progress < 0)
            End(m_net.Problem());
         else if(progress > 0)
            Upgrade();
      }
      if(m_state == MTB_WEB_UPGRADING || m_state == MTB_WEB_OPEN)
         Drain();
      if(m_state == MTB_WEB_UPGRADING) {
         ReadAnswer();
         if(m_state == MTB_WEB_UPGRADING)
            Flush();
      }
      bool early = m_state == MTB_WEB_CONNECTING || m_state == MTB_WEB_UPGRADING;
      if(early && GetMicrosecondCount() - m_since_us > MTB_ANSWER_US)
         End("The hub did not answer in time.");
   }

   /// The next whole binary message, of which `size` bytes count. False: there is none now, or no connection any more.
   bool Next(uchar &message[], int &size) {
      for(int i = 0; i < MTB_FRAMES_MAX && m_state == MTB_WEB_OPEN; i++) {
         int step = Step();
         if(step == 0)
            continue;
         if(step < 0) {
            // All that came before the end was dealt with.
            if(m_ended && m_state == MTB_WEB_OPEN)
               End("The connection to the hub broke.");
            return false;
         }
         int kind = m_message_kind;
         m_message_kind = 0;
         size = m_message_size;
         m_message_size = 0;
         if(kind == MTB_FRAME_TEXT) {
            bool good = MtbIsUtf8(m_message, 0, size);
            Break(good ? 1003 : 1007, "The hub sent a text message.");
            return false;
         }
         if(ArraySize(message) < size)
            ArrayResize(message, size);
         if(size > 0)
            ArrayCopy(message, m_message, 0, 0, size);
         return true;
      }
      return false;
   }

   /// Queues one message. False if there is no connection.
   bool Send(const CPackWriter &writer) {
      if(m_state != MTB_WEB_OPEN)
         return false;
      // What was asked before is answered before.
      AnswerPing();
      if(Unsent() > MTB_UNSENT_MAX) {
         End("The hub does not read.");
         return false;
      }
      Frame(MTB_FRAME_BINARY, writer.m_data, writer.Size());
      return true;
   }

   /// Writes what can be written now. The rest stays for the next time.
   void Flush() {
      AnswerPing();
      if(m_out_at == m_out_size || (m_state != MTB_WEB_OPEN && m_state != MTB_WEB_UPGRADING))
         return;
      ulong now = GetMicrosecondCount();
      int sent = m_net.Send(m_out, m_out_at, m_out_size - m_out_at);
      if(sent < 0) {
         // What the hub said before may still have arrived: the next turn reads it, and then ends.
         m_ended = true;
         m_out_at = m_out_size;
         return;
      }
      m_out_at += sent;
      if(sent > 0)
         m_moved_us = now;
      else if(now - m_moved_us > MTB_ANSWER_US)
         End("The hub does not read.");
   }

   /// Says goodbye and ends it.
   void Close(const int code, const string problem) {
      if(m_state == MTB_WEB_OPEN)
         SendClose(code);
      m_code = 1006;
      End(problem);
   }
};

#endif
