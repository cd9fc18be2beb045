//+------------------------------------------------------------------+
//| Handshake.mqh: the HTTP request that becomes a WebSocket          |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_HANDSHAKE_MQH
#define MTBRIDGE_HANDSHAKE_MQH

#include <MtBridge\Address.mqh>
#include <MtBridge\Random.mqh>

/// The head of an answer may be so long, bytes.
#define MTB_HEAD_MAX 16384
/// So much of a refusal's body is read, bytes.
#define MTB_BODY_MAX 8192
/// Retry-After counts up to this, seconds.
#define MTB_RETRY_AFTER_MAX 300

/// What the hub answered to the handshake.
struct MtbHttpAnswer {
   /// HTTP status; 101 with an empty problem is a WebSocket.
   int status;
   /// How long the hub asks to wait, seconds; 0 if it does not say.
   int retry_after;
   /// What is wrong, in words; the hub's own where it gave any.
   string problem;
};

/// Bytes as base 64.
string MtbBase64(const uchar &data[]) {
   uchar key[];
   uchar encoded[];
   int count = CryptEncode(CRYPT_BASE64, data, key, encoded);
   return count > 0 ? CharArrayToString(encoded, 0, count, CP_UTF8) : "";
}

/// What the hub must answer to a key (RFC 6455, 4.2.2).
string MtbAcceptFor(const string key) {
   uchar data[];
   uchar none[];
   uchar digest[];
   int count = MtbToUtf8(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", data);
   ArrayResize(data, count);
   return CryptEncode(CRYPT_HASH_SHA1, data, none, digest) > 0 ? MtbBase64(digest) : "";
}

/// Whether a list in a header (`a, b`) has this word, whatever its case.
bool MtbHasWord(const string list, const string word) {
   string parts[];
   int count = StringSplit(list, 44, parts);
   for(int i = 0; i < count; i++) {
      string part = parts[i];
      part = MtbTrim(part);
      StringToLower(part);
      if(part == word)
         return true;
   }
   return false;
}

/// Where a JSON text's string begins behind `"name":`, -1 if it has none.
int MtbJsonStart(const string json, const string name) {
   int at = StringFind(json, "\"" + name + "\"");
   if(at < 0)
      return -1;
   at += StringLen(name) + 2;
   int length = StringLen(json);
   while(at < length) {
      int letter = (int)StringGetCharacter(json, at);
      at++;
      if(letter == 34)
         return at;
      if(letter != 32 && letter != 9 && letter != 10 && letter != 13 && letter != 58)
         return -1;
   }
   return -1;
}

/// The value of four hexadecimal digits, -1 if they are none.
int MtbHex4(const string text, const int at) {
   int value = 0;
   for(int i = 0; i < 4; i++) {
      int letter = at + i < StringLen(text) ? (int)StringGetCharacter(text, at + i) : 0;
      int digit = letter >= 48 && letter <= 57 ? letter - 48 : (letter >= 65 && letter <= 70 ? letter - 55 : (letter >= 97 && letter <= 102 ? letter - 87 : -1));
      if(digit < 0)
         return -1;
      value = value * 16 + digit;
   }
   return value;
}

/// One string of a flat JSON object, at most `longest` characters of it, without control characters; "" if it is not there.
string MtbJsonText(const string json, const string name, const int longest) {
   string text = "";
   int at = MtbJsonStart(json, name);
   if(at < 0)
      return text;
   int length = StringLen(json);
   while(at < length && StringLen(text) < longest) {
      int letter = (int)StringGetCharacter(json, at);
      at++;
      if(letter == 34)
         break;
      if(letter == 92 && at < length) {
         letter = (int)StringGetCharacter(json, at);
         at++;
         if(letter == 117) {
            letter = MtbHex4(json, at);
            at += 4;
         } else if(letter == 110 || letter == 114 || letter == 116) {
            letter = 32;
         }
      }
      if(letter >= 32)
         text += ShortToString((ushort)letter);
   }
   return text;
}

/// The HTTP half of a connection: makes the request, and reads the answer as it arrives.
class CHandshake {
private:
   string m_accept;

   /// Where the head of the answer ends: the first byte of the body, -1 if it is not all there.
   int HeadEnd(const uchar &data[], const int size) const {
      for(int i = 3; i < size; i++)
         if(data[i] == 10 && data[i - 1] == 13 && data[i - 2] == 10 && data[i - 3] == 13)
            return i + 1;
      return -1;
   }

   /// The value of a header, "" if it is not there. `lines` begin with the status line.
   string Header(const string &lines[], const string name) const {
      int count = ArraySize(lines);
      for(int i = 1; i < count; i++) {
         int colon = StringFind(lines[i], ":");
         if(colon <= 0)
            continue;
         string key = StringSubstr(lines[i], 0, colon);
         StringToLower(key);
         if(key != name)
            continue;
         string value = StringSubstr(lines[i], colon + 1);
         value = MtbTrim(value);
         return value;
      }
      return "";
   }

   /// Why an answer 101 is no WebSocket of ours; "" if it is one.
   string Mismatch(const string &lines[]) const {
      string upgrade = Header(lines, "upgrade");
      StringToLower(upgrade);
      if(upgrade != "websocket" || !MtbHasWord(Header(lines, "connection"), "upgrade"))
         return "What answers at BackendURL is no WebSocket.";
      if(m_accept == "" || Header(lines, "sec-websocket-accept") != m_accept)
         return "What answers at BackendURL does not know the WebSocket handshake (Sec-WebSocket-Accept).";
      if(Header(lines, "sec-websocket-extensions") != "")
         return "What answers at BackendURL wants WebSocket extensions that were not offered.";
      if(Header(lines, "sec-websocket-protocol") != MTB_SUBPROTOCOL)
         return "What answers at BackendURL does not speak mtbridge.v1.";
      return "";
   }

public:
   CHandshake() { m_accept = ""; }

   /// The request, and with it the answer that is expected.
   string Request(const MtbAddress &address, const string token, CRandom &random) {
      uchar bytes[16];
      for(int i = 0; i < 16; i++)
         bytes[i] = (uchar)random.Next();
      string key = MtbBase64(bytes);
      m_accept = MtbAcceptFor(key);
      return "GET " + address.path + " HTTP/1.1\r\nHost: " + MtbHostHeader(address) +
             "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key +
             "\r\nSec-WebSocket-Protocol: " + MTB_SUBPROTOCOL + "\r\nAuthorization: Bearer " + token + "\r\n\r\n";
   }

   /// Looks at what has arrived. Returns the number of bytes that the answer takes, 0 if it is not whole; with `ended` what is there
   /// is all that comes.
   int Read(const uchar &data[], const int size, const bool ended, MtbHttpAnswer &answer) const {
      answer.status = 0;
      answer.retry_after = 0;
      answer.problem = "";
      int head = HeadEnd(data, size);
      if(head < 0) {
         if(size < MTB_HEAD_MAX && !ended)
            return 0;
         answer.problem = size == 0 ? "The hub closed the connection without an answer." : "What answers at BackendURL is no hub.";
         return size > 0 ? size : 1;
      }
      string text = MtbFromUtf8(data, 0, head);
      string lines[];
      StringReplace(text, "\r", "");
      StringSplit(text, 10, lines);
      if(StringFind(text, "HTTP/1.1 ") != 0) {
         answer.problem = "What answers at BackendURL is no hub.";
         return head;
      }
      answer.status = (int)StringToInteger(StringSubstr(lines[0], 9, 3));
      if(answer.status == 101) {
         answer.problem = Mismatch(lines);
         return head;
      }
      string told = Header(lines, "content-length");
      int length = MtbIsNumber(told, 9) ? (int)StringToInteger(told) : MTB_BODY_MAX;
      if(length > MTB_BODY_MAX)
         length = MTB_BODY_MAX;
      if(size - head < length && !ended)
         return 0;
      if(length > size - head)
         length = size - head;
      string words = MtbJsonText(MtbFromUtf8(data, head, length), "message", 200);
      if(words == "")
         words = StringLen(lines[0]) > 13 ? StringSubstr(lines[0], 13, 100) : "no reason given";
      answer.problem = "Error " + IntegerToString(answer.status) + ": " + words;
      string wait = Header(lines, "retry-after");
      if(MtbIsNumber(wait, 6)) {
         long seconds = StringToInteger(wait);
         answer.retry_after = seconds < (long)MTB_RETRY_AFTER_MAX ? (int)seconds : MTB_RETRY_AFTER_MAX;
      }
      return head + length;
   }
};

#endif
