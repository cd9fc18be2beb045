//+------------------------------------------------------------------+
//| Evidence.mqh: looking for a command at the broker, by its tag:   |
//| the only witness left when memory and journal are gone           |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_EVIDENCE_MQH
#define MTBRIDGE_EVIDENCE_MQH

#include <MtBridge\Platform.mqh>
#include <MtBridge\Synced.mqh>

/// The broker's clock and the hub's idea of it may differ by seconds, and by an hour where summer time ends.
#define MTB_CLOCK_SLACK_S 7200
#define MTB_FOUND_COMMENT "found in the history by its tag"

// What a look gave.
#define MTB_LOOK_NOTHING 0
#define MTB_LOOK_FOUND 1
/// Something bears the mark and is not what was asked for.
#define MTB_LOOK_DIFFERENT 2
/// The terminal did not give its history.
#define MTB_LOOK_BLIND 3

/// What is looked for.
struct MtbCase {
   MtbRequest request;
   ulong tag;
   /// The mark of the tag, with which comments begin.
   string mark;
   /// The magic as the broker has it.
   ulong magic;
   /// Broker time: what is older is not it.
   long since;
};

/// The deals of one order.
struct MtbFills {
   ulong order;
   ulong last_deal;
   /// Units of 1e-8 lots.
   long volume;
   double paid;
   double last_price;
   int count;
   bool alike;
   /// Nothing can be added to it any more, and these are all of its deals.
   bool ended;
};

/// A comment up to its first blank, without what a broker adds to it in brackets.
string FirstWord(const string comment) {
   int end = StringFind(comment, " ", 0);
   int note = StringFind(comment, "[", 0);
   if(note >= 0 && (end < 0 || note < end))
      end = note;
   if(end < 0)
      return comment;
   // A length of 0 means all that is left, in MQL4.
   return end > 0 ? StringSubstr(comment, 0, end) : "";
}

/// The tag of which a comment bears the mark; 0 if it bears none.
ulong TagOfComment(const string comment) {
   string digits = "0123456789abcdefghjkmnpqrstvwxyz";
   string word = FirstWord(comment);
   int length = StringLen(word);
   if(length < 2 || length > 8 || StringGetCharacter(word, 0) != '#')
      return 0;
   ulong sequence = 0;
   for(int i = 1; i < length; i++) {
      int digit = StringFind(digits, StringSubstr(word, i, 1), 0);
      if(digit < 0)
         return 0;
      sequence = sequence * 32 + (ulong)digit;
   }
   return PlatformNumber() == 4 ? (((ulong)0x5A << 24) | sequence) : (((ulong)0x6D74 << 32) | sequence);
}

/// Whether what was made at `time` for `reason` bears the mark.
bool IsMarked(const MtbCase &look, const long time, const int reason, const ulong magic, const string comment) {
   if(time < look.since || reason != MTB_REASON_EXPERT || magic != look.magic)
      return false;
   return magic == look.tag || FirstWord(comment) == look.mark;
}

/// Whether what was made at `time` for `reason` may be the one all the same, with half of the mark: a program's, with the caller's own
/// magic, and the broker has put other words where the mark was (nothing tells it from what another program with this magic
/// does); or with the mark, under a magic that the broker did not keep.
bool IsUnmarked(const MtbCase &look, const long time, const int reason, const ulong magic, const string comment) {
   if(time < look.since || reason != MTB_REASON_EXPERT)
      return false;
   if(magic != look.magic)
      return FirstWord(comment) == look.mark;
   return magic != look.tag && TagOfComment(comment) == 0;
}

/// Whether an order, open or of the history, is what was placed. One that was rejected never stood.
bool IsPlaced(const MtbCase &look, const MtbOrder &order) {
   if(order.state == MTB_ORDER_REJECTED || order.type <= 1)
      return false;
   return order.symbol == look.request.symbol && (order.type & 1) == (look.request.type & 1) &&
          MtbUnits(order.volume_initial) == MtbUnits(look.request.volume);
}

/// Evidence that a pending order stands, or has stood.
void TellPlaced(const MtbOrder &order, MtbResult &result) {
   result.retcode = MTB_RETCODE_DONE;
   result.order = order.ticket;
   result.volume = order.volume_initial;
   result.price = order.price_open;
   result.comment = MTB_FOUND_COMMENT;
}

/// Adds a deal to those of its order.
void AddFill(MtbFills &all[], const ulong order, const ulong deal, const double volume, const double price, const bool alike) {
   int at = 0;
   int count = ArraySize(all);
   while(at < count && all[at].order != order)
      at++;
   if(at == count) {
      ArrayResize(all, count + 1, 16);
      all[at].order = order;
      all[at].volume = 0;
      all[at].paid = 0.0;
      all[at].count = 0;
      all[at].alike = true;
      all[at].ended = false;
   }
   all[at].last_deal = deal;
   all[at].last_price = price;
   all[at].volume += MtbUnits(volume);
   all[at].paid += volume * price;
   all[at].count++;
   all[at].alike = all[at].alike && alike;
}

/// What the tickets of one order tell of its result.
void TellFills(const MtbFills &fills, const uint retcode, MtbResult &result) {
   double volume = (double)fills.volume / 100000000.0;
   result.retcode = retcode;
   result.deal = fills.last_deal;
   result.order = fills.order;
   result.volume = volume;
   result.price = fills.count == 1 || volume <= 0.0 ? fills.last_price : fills.paid / volume;
   result.comment = MTB_FOUND_COMMENT;
}

/// What the deals that bear the mark come to.
int JudgeFills(const MtbCase &look, const MtbFills &all[], MtbResult &result) {
   long asked = MtbUnits(look.request.volume);
   int count = ArraySize(all);
   for(int i = 0; i < count; i++)
      if(all[i].alike && all[i].volume == asked) {
         TellFills(all[i], MTB_RETCODE_DONE, result);
         return MTB_LOOK_FOUND;
      }
   if(count == 0)
      return MTB_LOOK_NOTHING;
   if(count == 1 && all[0].alike && all[0].ended && all[0].volume < asked) {
      TellFills(all[0], MTB_RETCODE_DONE_PARTIAL, result);
      return MTB_LOOK_FOUND;
   }
   return MTB_LOOK_DIFFERENT;
}

#ifdef __MQL4__
#include <MtBridge\Evidence4.mqh>
#else
#include <MtBridge\Evidence5.mqh>
#endif

/// Looks through positions, orders and deals.
int LookAtBroker(const MtbCase &look, MtbResult &result) {
   int found = MTB_LOOK_NOTHING;
   if(look.request.action == MTB_ACTION_PENDING) {
      found = LookPlaced(look, result);
#ifdef __MQL4__
      // There an order that opened is the position.
      if(found == MTB_LOOK_NOTHING)
         found = LookFilled(look, result);
#endif
   }
   else if(look.request.action == MTB_ACTION_DEAL) {
#ifdef __MQL4__
      // There a closing bears the marks of the opening, and would be taken for it.
      if(look.request.position != 0)
         return MTB_LOOK_NOTHING;
#endif
      found = LookFilled(look, result);
   }
#ifndef __MQL4__
   else if(look.request.action == MTB_ACTION_CLOSE_BY)
      found = LookClosedBy(look, result);
#endif
   return found;
}

/// What may count as evidence of nothing having happened: the proof bits, and why in words.
int ProofOfAbsence(const MtbRequest &request, const long dispatched, const bool blind, string &reason) {
   int seen = MTB_PROOF_CONNECTED | MTB_PROOF_SYNCHRONISED;
   if(!BrokerConnected()) {
      reason = "the terminal is not connected to its broker";
      return 0;
   }
   if(blind) {
      reason = "the terminal does not give its history of trades";
      return MTB_PROOF_CONNECTED;
   }
   if(!BrokerSynchronised()) {
      reason = "the terminal was connected to its broker only a moment ago, and may not have everything yet";
      return MTB_PROOF_CONNECTED;
   }
   int action = request.action;
   if(action == MTB_ACTION_REMOVE && IsOrderOpen(request.order)) {
      reason = "the order still stands";
      return MTB_PROOF_ALL;
   }
#ifdef __MQL4__
   if(action == MTB_ACTION_DEAL && request.position != 0 && IsOrderOpen(request.position)) {
      reason = "the order is still open, and a closing in part would have given it another ticket";
      return MTB_PROOF_ALL;
   }
   if((action == MTB_ACTION_DEAL || action == MTB_ACTION_CLOSE_BY) && request.position != 0) {
      reason = "MetaTrader 4 keeps no trace of who closed: a person must look";
      return seen;
   }
#endif
   if(action != MTB_ACTION_DEAL && action != MTB_ACTION_PENDING && action != MTB_ACTION_CLOSE_BY) {
      reason = "MetaTrader keeps no trace of such a change: a person must look";
      return seen;
   }
#ifndef __MQL4__
   if(action == MTB_ACTION_CLOSE_BY && !IsPairUntouched(request, dispatched)) {
      reason = "the two positions are not what they were: a person must look";
      return seen;
   }
#endif
   if(!HistoryCovers(dispatched)) {
      reason = "the history does not reach back to the dispatch";
      return seen;
   }
   reason = "neither the journal nor the broker's history knows it";
   return MTB_PROOF_ALL;
}

/// What the broker knows of a command: MTB_ANSWER_EVIDENCE with what tickets tell of the result, or MTB_ANSWER_NO_EVIDENCE with
/// the proof bits. `dispatched` is broker time, epoch seconds.
int FindEvidence(const ulong tag, const MtbRequest &request, const long dispatched, MtbResult &result, int &proof,
                 string &reason) {
   ClearResult(result);
   proof = 0;
   reason = "";
   MtbCase look;
   look.request = request;
   look.tag = tag;
   look.mark = TagMark(tag);
   look.magic = PlatformNumber() == 4 ? (request.magic & 0x7FFFFFFF) : request.magic;
   look.since = dispatched - MTB_CLOCK_SLACK_S;
   int found = LookAtBroker(look, result);
   if(found == MTB_LOOK_FOUND)
      return MTB_ANSWER_EVIDENCE;
   if(found == MTB_LOOK_DIFFERENT)
      reason = "something bears its tag and is not what was asked for: a person must look";
   else
      proof = ProofOfAbsence(request, dispatched, found == MTB_LOOK_BLIND, reason);
   return MTB_ANSWER_NO_EVIDENCE;
}

#endif
