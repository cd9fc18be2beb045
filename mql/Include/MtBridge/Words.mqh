//+------------------------------------------------------------------+
//| Words.mqh: what went wrong, and what to do about it              |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_WORDS_MQH
#define MTBRIDGE_WORDS_MQH

/// Close codes from here to 4999 are final.
#define MTB_CLOSE_FINAL 4500
#define MTB_CLOSE_REPLACED 4001
#define MTB_CLOSE_ELSEWHERE 4002

/// What the hub means by a close code, for one that came without words.
string MtbCloseWords(const int code) {
   switch(code) {
      case 4000: return "the hub restarts";
      case 4001: return "another connection with this token took over";
      case 4002: return "this token is connected elsewhere; use one token for each terminal";
      case 4003: return "the hub heard nothing for too long";
      case 4004: return "this terminal did not read in time";
      case 4005: return "this terminal said no Hello in time";
      case 4006: return "the hub cannot record anything now";
      case 4007: return "the user that this token belongs to is disabled";
      case 4500: return "Error 401: the token was revoked; ask for a new one";
      case 4501: return "Error 401: the token has expired; ask for a new one";
      case 4502: return "the token is locked to another account; use a token of its own for this one";
      case 4503: return "the owner disconnected this account";
      case 4504: return "the hub did not understand this EA";
      case 4505: return "the hub speaks mtbridge.v1 only; update the Expert Advisor";
      case 4506: return "a message was above the hub's limit";
   }
   return "no reason given";
}

/// Words with a full stop at their end.
string MtbSentence(const string words) {
   int length = StringLen(words);
   int last = length > 0 ? (int)StringGetCharacter(words, length - 1) : 46;
   return last == 46 || last == 33 || last == 63 ? words : words + ".";
}

/// What a person can do about a final end, "" if nothing is known.
string MtbAdvice(const int code, const int status) {
   if(status == 401 || code == 4500 || code == 4501)
      return " Put a token that is valid into API_TOKEN (press F7 > Inputs).";
   if(code == 4502)
      return " Log in to the account that this token belongs to, or put this account's own token into API_TOKEN (press F7 > Inputs).";
   if(code == 4503)
      return " Connect the account again at the hub, then attach the EA anew.";
   if(status == 403)
      return " Something between this terminal and the hub, a proxy perhaps, changes the request.";
   if(code == 4504 || code == 4505 || code == 4506)
      return " Install the Expert Advisor that belongs to this hub.";
   return "";
}

/// What keeps orders from being sent now, with what to click; "" if nothing does.
string MtbTradingProblem(const bool broker, const bool terminal, const bool ea, const bool account) {
   if(!broker)
      return "No connection to the broker.";
   if(!terminal)
      return "Algo trading is off: press the Algo Trading (AutoTrading) button of the terminal.";
   if(!ea)
      return "This EA may not trade: press F7 > Common and tick Allow Algo Trading (Allow live trading).";
   if(!account)
      return "The broker does not allow trading by programs on this account.";
   return "";
}

#endif
