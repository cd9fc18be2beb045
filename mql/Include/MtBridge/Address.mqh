//+------------------------------------------------------------------+
//| Address.mqh: where the hub is                                    |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_ADDRESS_MQH
#define MTBRIDGE_ADDRESS_MQH

#include <MtBridge\Wire.mqh>

/// The parts of BackendURL.
struct MtbAddress {
   bool tls;
   /// Without the brackets of an IPv6 address.
   string host;
   int port;
   /// With the query, if there is one.
   string path;
};

/// Whether the text is digits only, and at most `longest` of them.
bool MtbIsNumber(const string text, const int longest) {
   int length = StringLen(text);
   if(length == 0 || length > longest)
      return false;
   for(int i = 0; i < length; i++) {
      int letter = (int)StringGetCharacter(text, i);
      if(letter < 48 || letter > 57)
         return false;
   }
   return true;
}

/// Whether a text can stand in the head of an HTTP request: printable ASCII without spaces.
bool MtbIsPlain(const string text) {
   int length = StringLen(text);
   for(int i = 0; i < length; i++) {
      int letter = (int)StringGetCharacter(text, i);
      if(letter <= 32 || letter >= 127)
         return false;
   }
   return true;
}

/// Takes host and port apart. Empty `port` where none is given.
bool MtbSplitHost(const string text, string &host, string &port) {
   port = "";
   int colon = StringFind(text, ":");
   if(StringLen(text) > 0 && StringGetCharacter(text, 0) == 91) {
      int close = StringFind(text, "]");
      if(close < 2)
         return false;
      host = StringSubstr(text, 1, close - 1);
      string rest = StringSubstr(text, close + 1);
      if(StringLen(rest) == 0)
         return true;
      port = StringSubstr(rest, 1);
      return StringGetCharacter(rest, 0) == 58 && StringLen(port) > 0;
   }
   if(colon < 0) {
      host = text;
      return StringLen(host) > 0;
   }
   if(colon == 0)
      return false;
   host = StringSubstr(text, 0, colon);
   port = StringSubstr(text, colon + 1);
   return StringLen(host) > 0 && StringLen(port) > 0;
}

/// Reads `wss://host[:port][/path]` or `ws://*`; `https` and `http` are taken for them. Without a path the hub's own is taken.
/// False, and the reason in words, if it is no such address.
bool MtbReadAddress(const string url, MtbAddress &address, string &problem) {
   string text = MtbTrim(url);
   problem = "BackendURL \"" + text + "\" is no address. It looks like wss://hub.example or ws://192.168.1.10:8080.";
   int mark = StringFind(text, "://");
   if(mark < 0 || !MtbIsPlain(text))
      return false;
   string scheme = StringSubstr(text, 0, mark);
   StringToLower(scheme);
   if(scheme != "ws" && scheme != "wss" && scheme != "http" && scheme != "https")
      return false;
   address.tls = scheme == "wss" || scheme == "https";
   string rest = StringSubstr(text, mark + 3);
   if(StringFind(rest, "@") >= 0 || StringFind(rest, "#") >= 0)
      return false;
   int slash = StringFind(rest, "/");
   int question = StringFind(rest, "?");
   if(slash < 0 || (question >= 0 && question < slash))
      slash = question;
   // A length of 0 would mean "to the end" in MQL4.
   if(slash == 0)
      return false;
   string port = "";
   if(!MtbSplitHost(slash < 0 ? rest : StringSubstr(rest, 0, slash), address.host, port))
      return false;
   address.path = slash < 0 ? "" : StringSubstr(rest, slash);
   if(StringFind(address.path, "?") == 0)
      address.path = "/" + address.path;
   if(address.path == "" || address.path == "/")
      address.path = MTB_PATH;
   address.port = address.tls ? 443 : 80;
   if(port != "") {
      if(!MtbIsNumber(port, 5))
         return false;
      address.port = (int)StringToInteger(port);
   }
   if(address.port < 1 || address.port > 65535)
      return false;
   problem = "";
   return true;
}

/// The value of the Host header.
string MtbHostHeader(const MtbAddress &address) {
   string host = StringFind(address.host, ":") >= 0 ? "[" + address.host + "]" : address.host;
   bool usual = address.port == (address.tls ? 443 : 80);
   return usual ? host : host + ":" + IntegerToString(address.port);
}

#endif
