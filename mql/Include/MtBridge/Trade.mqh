//+------------------------------------------------------------------+
//| Trade.mqh: a command happens at most once, and its end is found  |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_TRADE_MQH
#define MTBRIDGE_TRADE_MQH

#include <MtBridge\Platform.mqh>
#include <MtBridge\Execute.mqh>
#include <MtBridge\Evidence.mqh>
#include <MtBridge\Clock.mqh>
#include <MtBridge\Limits.mqh>
#include <MtBridge\Seen.mqh>
#include <MtBridge\WebSocket.mqh>

/// How long OrderSend may block the EA's only thread, milliseconds.
#define MTB_LEASE_MS 60000
/// So many outcomes are sent again in one turn.
#define MTB_RESEND_MAX 32
/// So many orders may be on their way to the broker at once.
#define MTB_FLYING_MAX 16
/// After so long in one turn the next order waits for the next turn, microseconds.
#define MTB_EXECUTE_US 50000

/// So many trades may wait for their turn.
#define MTB_QUEUE_MAX 1000
/// Names of symbols, comments and reasons are no longer, characters.
#define MTB_SYMBOL_CHARS 64
#define MTB_COMMENT_CHARS 31
#define MTB_REASON_CHARS 500
/// No command lives longer than this after it came, microseconds.
#define MTB_LIFE_US 60000000
/// A lease of which more than this has passed is asked for anew before an order is sent that blocks, microseconds.
#define MTB_LEASE_OLD_US 1000000
/// An executed order is waited for so long in the list of positions, where each order changes what the next may do, microseconds.
#define MTB_SHOWN_US 2000000

#define MTB_TOMBSTONE_WORDS "the hub had asked for it before it came, and was told that it would not be executed"

/// A trade of the hub.
struct MtbTrade {
   MtbId command;
   MtbId instance;
   ulong deadline_us;
   ulong tag;
   MtbRequest request;
   double seen_price;
   uint max_slippage;
   MtbMoment came;
   /// Of Execute, while it is on its way.
   int handle;
};

/// A question of the hub.
struct MtbQuery {
   MtbId command;
   MtbId instance;
   ulong tag;
   MtbRequest request;
   long dispatched;
   long asked_at;
};

/// The section "Trades" of docs/terminal-protocol.md. A trade goes through Take() (memory, INTENT, Accepted), LastChecks() (immediately
/// before the order is sent) and Finish() (RESULT, Outcome).
class CTrades {
private:
   CSeen m_seen;
   CJournal *m_journal;
   CLimits *m_limits;
   CWebSocket *m_web;
   MtbId m_instance;
   ulong m_login;
   string m_server;
   bool m_closed;
   ulong m_connected_us;
   /// The hub has let this instance in.
   bool m_speaks;
   /// The positions as they were when the last order left, and since when it is waited for that they show what it did; 0 is not at all.
   ulong m_shown_before;
   ulong m_unshown_us;
   /// Trades that were taken: a pool, and in it those that wait and those that are on their way.
   MtbTrade m_jobs[];
   CQueue m_free;
   CQueue m_queue;
   int m_flying[MTB_FLYING_MAX];
   int m_flights;
   CPackWriter m_writer;

   /// Nothing but Hello before Welcome. What is kept back is not lost: outcomes are repeated, and the hub asks for the rest.
   void Say() {
      if(m_speaks)
         m_web.Send(m_writer);
   }

   void SendAccepted(const MtbId &command) {
      Begin(m_writer, MTB_ACCEPTED, 2);
      m_writer.PutId(command);
      m_writer.PutUInt(MTB_LEASE_MS);
      Say();
   }

   void SendOutcome(const MtbId &command, const MtbEnded &end) {
      Begin(m_writer, MTB_OUTCOME, 4);
      m_writer.PutId(command);
      m_writer.PutUInt((ulong)end.kind);
      m_writer.PutText(end.reason);
      PackResult(m_writer, end.result);
      Say();
   }

   void SendAnswer(const MtbId &command, const int kind, const MtbEnded &end, const int proof, const long asked_at) {
      Begin(m_writer, MTB_ANSWER, 7);
      m_writer.PutId(command);
      m_writer.PutUInt((ulong)kind);
      m_writer.PutUInt((ulong)end.kind);
      m_writer.PutText(end.reason);
      PackResult(m_writer, end.result);
      m_writer.PutUInt((ulong)proof);
      m_writer.PutInt(asked_at);
      Say();
   }

   /// An answer without a result.
   void SendPlainAnswer(const MtbId &command, const int kind, const string reason) {
      MtbEnded nothing;
      nothing.kind = 0;
      nothing.reason = reason;
      ClearResult(nothing.result);
      SendAnswer(command, kind, nothing, 0, 0);
   }

   /// An end by refusal.
   void Refusal(const string reason, MtbEnded &end) const {
      end.kind = MTB_OUTCOME_REFUSED;
      end.reason = StringLen(reason) > MTB_REASON_CHARS ? StringSubstr(reason, 0, MTB_REASON_CHARS) : reason;
      ClearResult(end.result);
   }

   /// RESULT, memory, Outcome, in this order.
   void End(const MtbId &command, const MtbEnded &end, const bool definite) {
      // The result goes out even if the file is full: memory has it, and the hub is the better place for it.
      if(definite && !m_journal.Result(command, m_instance, end))
         Print("MtBridge: the journal file cannot be written (is the disk full?): the result of ", MtbCommandText(command), " is only in memory");
      int at = m_seen.Find(command);
      if(at < 0)
         at = m_seen.Put(command, MTB_SEEN_TAKEN, 0);
      m_seen.Finish(at, end, definite, GetMicrosecondCount());
      SendOutcome(command, end);
   }

   void Refuse(const MtbId &command, const string reason) {
      MtbEnded end;
      Refusal(reason, end);
      Print("MtBridge: refused ", MtbCommandText(command), ": ", reason);
      End(command, end, true);
   }

   /// Answers from memory if the command is known there. False if it is not.
   bool TakeKnown(const MtbId &command) {
      int at = m_seen.Find(command);
      if(at < 0)
         return false;
      if(m_seen.State(at) == MTB_SEEN_TAKEN) {
         SendAccepted(command);
         return true;
      }
      MtbId found;
      MtbEnded end;
      m_seen.End(at, found, end);
      if(m_seen.State(at) == MTB_SEEN_TOMBSTONE)
         Refusal(MTB_TOMBSTONE_WORDS, end);
      SendOutcome(command, end);
      return true;
   }

   /// A Log for the hub.
   void Warn(const string words) {
      Begin(m_writer, MTB_LOG, 2);
      m_writer.PutUInt(MTB_LOG_WARNING);
      m_writer.PutText(words);
      Say();
   }

   /// What stands in the file was taken before, by whatever instance, and is never executed again. False if it does not.
   bool TakeWritten(const MtbId &command) {
      if(!m_journal.Knows(command))
         return false;
      MtbEnded end;
      if(m_journal.Ended(command, end))
         SendOutcome(command, end);
      else
         Warn(MtbCommandText(command) + " stands in the journal file without an end: not executed again");
      return true;
   }

   /// Why a trade cannot be what the hub lets through; "" if it can.
   string FormGuard(const MtbRequest &request) const {
      if(StringLen(request.symbol) > MTB_SYMBOL_CHARS)
         return "the symbol is longer than " + IntegerToString(MTB_SYMBOL_CHARS) + " characters";
      if(StringLen(request.comment) > MTB_COMMENT_CHARS)
         return "the comment is longer than " + IntegerToString(MTB_COMMENT_CHARS) + " characters";
      return m_queue.Count() >= MTB_QUEUE_MAX ? "too many trades wait for their turn" : "";
   }

   /// Steps 1 to 6 of "A Trade arrives".
   void Take(const MtbTrade &trade) {
      if(TakeKnown(trade.command))
         return;
      if(m_seen.IsBelowMark(trade.command)) {
         SendPlainAnswer(trade.command, MTB_ANSWER_FORGOTTEN, "so old that this EA has dropped it");
         return;
      }
      if(!MtbIdEqual(trade.instance, m_instance)) {
         // No outcome: the instance it is bound to may have executed it, and only that one can say that it has not.
         Warn(MtbCommandText(trade.command) + " is bound to EA instance " + MtbIdText(trade.instance) + ", this is " +
              MtbIdText(m_instance) + ": not executed here");
         return;
      }
      if(TakeWritten(trade.command))
         return;
      if(m_seen.IsFull()) {
         // Without room to remember the refusal, the watermark remembers that this one must not happen.
         m_seen.RaiseMark(trade.command);
         MtbEnded end;
         Refusal("the EA's memory is full of unacknowledged commands", end);
         SendOutcome(trade.command, end);
         return;
      }
      // No command lives longer: a deadline far away would never let it be forgotten.
      ulong latest = GetMicrosecondCount() + MTB_LIFE_US;
      m_seen.Put(trade.command, MTB_SEEN_TAKEN, trade.deadline_us < latest ? trade.deadline_us : latest);
      string reason = m_closed ? "the hub has closed this connection for good" : FormGuard(trade.request);
      if(reason != "") {
         Refuse(trade.command, reason);
         return;
      }
      if(!m_journal.Intent(trade.command, m_instance, trade.tag, BrokerTime())) {
         Refuse(trade.command, "the EA's journal file cannot be written");
         return;
      }
      int job = m_free.Count() > 0 ? (int)m_free.Pop() : ArraySize(m_jobs);
      if(job == ArraySize(m_jobs))
         ArrayResize(m_jobs, job + 1, 64);
      m_jobs[job] = trade;
      m_queue.Push((ulong)job);
      SendAccepted(trade.command);
   }

   /// How far the price has moved since the caller saw it, in either direction; "" if no further than allowed.
   string PriceGuard(const MtbTrade &trade) const {
      if(trade.seen_price == 0.0 || trade.request.action != MTB_ACTION_DEAL)
         return "";
      double price = 0.0;
      double point = 0.0;
      int digits = 0;
      if(!PriceNow(trade.request.symbol, trade.request.type, price, point, digits) || !(point > 0.0))
         return "there is no price to compare the seen one with";
      double moved = MathAbs(price - trade.seen_price) / point;
      // Not "more than": a seen price that is no number must not pass.
      if(moved <= (double)trade.max_slippage + 0.001)
         return "";
      return "the price moved " + DoubleToString(moved, 0) + " points, from " + DoubleToString(trade.seen_price, digits) + " to " +
             DoubleToString(price, digits) + "; " + IntegerToString((long)trade.max_slippage) + " were allowed";
   }

   /// Why a trade that can open or enlarge a position must not happen; "" if it may.
   string OpeningGuard(const MtbRequest &request) const {
      string limit = m_limits.Against(request);
      if(m_journal.Latch() == 0 && limit == "")
         return "";
      if(!CanOpen(request))
         return "";
      return m_journal.Latch() > 0 ? "the kill switch blocks openings: " + m_journal.LatchReason() : limit;
   }

   /// Step 7: the last checks, immediately before the order is sent. "" if it may be sent.
   string LastChecks(const MtbTrade &trade) {
      if(m_closed)
         return "the hub has closed this connection for good";
      if(Login() != m_login || AccountServerName() != m_server)
         return "the terminal is logged in to " + IntegerToString((long)Login()) + "@" + AccountServerName() + " now, not to " +
                IntegerToString((long)m_login) + "@" + m_server;
      MtbMoment now;
      MtbNow(now);
      if(MtbClocksPart(trade.came, now)) {
         // What else is queued came before the suspension too, or too near to it to tell.
         int count = m_queue.Count();
         for(int i = 0; i < count; i++) {
            ulong job = m_queue.Pop();
            m_jobs[(int)job].deadline_us = 0;
            m_queue.Push(job);
         }
         return "the machine was suspended, or its clock was moved, since the command came";
      }
      if(now.mono_us > trade.deadline_us)
         return "late by " + IntegerToString((long)((now.mono_us - trade.deadline_us + 999) / 1000)) + " ms";
      string reason = OpeningGuard(trade.request);
      if(reason == "")
         reason = PriceGuard(trade);
      if(reason == "" && !ExecuteReady(reason))
         return reason == "" ? "the terminal is busy with another trade" : reason;
      return reason;
   }

   /// Step 9.
   void Finish(const int job, const MtbResult &result) {
      MtbEnded end;
      end.kind = MTB_OUTCOME_BROKER;
      end.reason = "";
      end.result = result;
      Executed(m_jobs[job].request, result);
      End(m_jobs[job].command, end, MtbIsDefinite(result.retcode, m_jobs[job].request.action));
      m_free.Push((ulong)job);
   }

   /// Takes the results that have come of orders on their way. True if there were any.
   bool Land() {
      int kept = 0;
      int before = m_flights;
      for(int i = 0; i < before; i++) {
         MtbResult result;
         ClearResult(result);
         int job = m_flying[i];
         if(ExecutePoll(m_jobs[job].handle, result))
            Finish(job, result);
         else
            m_flying[kept++] = job;
      }
      m_flights = kept;
      return kept != before;
   }

   /// Whether each order must be seen in the positions before the next one leaves, because they are checked against them.
   bool OneByOne() const { return m_journal.Latch() > 0 || m_limits.Any(); }

   /// An order was executed: the terminal's list of positions follows a moment later.
   void Executed(const MtbRequest &request, const MtbResult &result) {
      bool deals = request.action == MTB_ACTION_DEAL || request.action == MTB_ACTION_CLOSE_BY;
      bool refused = MtbIsDefinite(result.retcode, request.action) && result.retcode != MTB_RETCODE_DONE &&
                     result.retcode != MTB_RETCODE_DONE_PARTIAL;
      if(deals && !refused)
         m_unshown_us = GetMicrosecondCount();
   }

   /// Whether the positions show what the last order did, or it has been waited for long enough.
   bool IsShown() {
      if(m_unshown_us == 0)
         return true;
      if(PositionsDigest() == m_shown_before && GetMicrosecondCount() - m_unshown_us < MTB_SHOWN_US)
         return false;
      m_unshown_us = 0;
      return true;
   }

   /// Whether another order may leave now.
   bool MayStart(const ulong since_us) {
      bool one_by_one = OneByOne();
      int most = one_by_one ? 1 : MTB_FLYING_MAX;
      if(one_by_one && m_queue.Count() > 0 && m_flights == 0 && !IsShown())
         return false;
      return m_queue.Count() > 0 && m_flights < most && GetMicrosecondCount() - since_us < MTB_EXECUTE_US;
   }

   /// What the broker knows of a command.
   void AnswerFromBroker(const MtbQuery &query) {
      MtbEnded end;
      end.kind = 0;
      end.reason = "";
      ClearResult(end.result);
      int proof = 0;
      int kind = FindEvidence(query.tag, query.request, query.dispatched, end.result, proof, end.reason);
      if(kind == MTB_ANSWER_EVIDENCE) {
         end.reason = "";
         SendAnswer(query.command, kind, end, 0, 0);
         return;
      }
      ClearResult(end.result);
      SendAnswer(query.command, MTB_ANSWER_NO_EVIDENCE, end, proof, query.asked_at);
   }

   /// A command of another instance, or one below the watermark: the file, then the broker.
   void AnswerAboutAnother(const MtbQuery &query) {
      MtbEnded end;
      if(m_journal.Ended(query.command, end))
         SendAnswer(query.command, MTB_ANSWER_OUTCOME, end, 0, 0);
      else
         AnswerFromBroker(query);
   }

   void Ask(const MtbQuery &query) {
      if(!MtbIdEqual(query.instance, m_instance)) {
         AnswerAboutAnother(query);
         return;
      }
      int at = m_seen.Find(query.command);
      if(at >= 0) {
         AskKnown(query, at);
         return;
      }
      if(m_seen.IsBelowMark(query.command)) {
         AnswerAboutAnother(query);
         return;
      }
      if(m_seen.IsFull()) {
         m_seen.RaiseMark(query.command);
         AnswerAboutAnother(query);
         return;
      }
      // The stone first: from here on the answer stays true whatever still arrives.
      m_seen.Bury(query.command, GetMicrosecondCount());
      MtbEnded end;
      Refusal(MTB_TOMBSTONE_WORDS, end);
      if(!m_journal.Result(query.command, m_instance, end))
         Print("MtBridge: the journal file cannot be written (is the disk full?)");
      SendPlainAnswer(query.command, MTB_ANSWER_NOT_SEEN, "");
   }

   void AskKnown(const MtbQuery &query, const int at) {
      int state = m_seen.State(at);
      if(state == MTB_SEEN_TAKEN) {
         SendPlainAnswer(query.command, MTB_ANSWER_IN_PROGRESS, "");
      } else if(state == MTB_SEEN_TOMBSTONE) {
         SendPlainAnswer(query.command, MTB_ANSWER_NOT_SEEN, "");
      } else if(!m_seen.IsDefinite(at)) {
         // The broker may or may not have had it: its history decides, as for another instance.
         AnswerFromBroker(query);
      } else {
         MtbId command;
         MtbEnded end;
         m_seen.End(at, command, end);
         SendAnswer(query.command, MTB_ANSWER_OUTCOME, end, 0, 0);
      }
   }

public:
   CTrades() {
      m_journal = NULL;
      m_limits = NULL;
      m_web = NULL;
      m_login = 0;
      m_server = "";
      m_closed = false;
      m_connected_us = 0;
      m_speaks = false;
      m_shown_before = 0;
      m_unshown_us = 0;
      m_flights = 0;
      MtbIdClear(m_instance);
   }

   /// A new instance with an empty memory. What is pointed to belongs to the caller and must live as long.
   void Start(CJournal *journal, CLimits *limits, CWebSocket *web, const MtbId &instance, const ulong login, const string server) {
      m_journal = journal;
      m_limits = limits;
      m_web = web;
      MtbIdSet(m_instance, instance);
      m_login = login;
      m_server = server;
      m_closed = false;
      m_connected_us = GetMicrosecondCount();
      m_speaks = false;
      m_unshown_us = 0;
      m_seen.Reset();
      ArrayResize(m_jobs, 0);
      m_free.Clear();
      m_queue.Clear();
      m_flights = 0;
   }

   /// After a final close code nothing is sent to the broker any more.
   void CloseForGood() { m_closed = true; }

   /// A new session: every outcome without acknowledgement is due at once.
   void Connected() {
      m_connected_us = GetMicrosecondCount();
      m_speaks = true;
   }

   /// A new connection, of which the hub has not let anybody in yet.
   void Knocks() { m_speaks = false; }

   /// Whether anything is taken and not ended.
   bool IsBusy() const { return m_queue.Count() > 0 || m_flights > 0; }

   /// A Trade, from behind `count`. False if it is no message.
   bool OnTrade(CPackReader &in) {
      MtbTrade trade;
      in.GetId(trade.command);
      in.GetId(trade.instance);
      trade.deadline_us = in.GetUInt();
      trade.tag = in.GetUInt();
      if(in.Missing() || !UnpackRequest(in, trade.request))
         return false;
      trade.seen_price = in.GetDouble();
      trade.max_slippage = (uint)in.GetUInt();
      trade.handle = 0;
      MtbNow(trade.came);
      if(in.Failed())
         return false;
      Take(trade);
      return true;
   }

   /// A Query, from behind `count`. False if it is no message.
   bool OnQuery(CPackReader &in) {
      MtbQuery query;
      in.GetId(query.command);
      in.GetId(query.instance);
      query.tag = in.GetUInt();
      if(in.Missing() || !UnpackRequest(in, query.request))
         return false;
      query.dispatched = in.GetInt();
      query.asked_at = in.GetInt();
      if(in.Failed())
         return false;
      Ask(query);
      return true;
   }

   /// An Acknowledge, from behind `count`. False if it is no message.
   bool OnAcknowledge(CPackReader &in) {
      MtbId command;
      if(!in.GetId(command))
         return false;
      if(!m_journal.Acknowledged(command))
         Print("MtBridge: the journal file cannot be written (is the disk full?)");
      m_seen.Acknowledge(command);
      return true;
   }

   /// Sends the trades that were taken to the broker, each once, and takes the results that have come. True if anything ended.
   /// Before it is called, what was queued must have been flushed: Accepted is on the wire before the order is sent.
   bool Execute() {
      ulong since = GetMicrosecondCount();
      bool ended = Land();
      while(MayStart(since)) {
         int job = (int)m_queue.Pop();
         string reason = LastChecks(m_jobs[job]);
         if(reason != "") {
            Refuse(m_jobs[job].command, reason);
            m_free.Push((ulong)job);
            ended = true;
            continue;
         }
         MtbResult result;
         ClearResult(result);
         if(PlatformNumber() == 4 && GetMicrosecondCount() - m_jobs[job].came.mono_us > MTB_LEASE_OLD_US) {
            // There each order blocks, and those before it have used up the lease.
            SendAccepted(m_jobs[job].command);
            m_web.Flush();
         }
         if(OneByOne())
            m_shown_before = PositionsDigest();
         int handle = ExecuteStart(m_jobs[job].request, result);
         if(handle == 0) {
            Finish(job, result);
            ended = true;
         } else {
            m_jobs[job].handle = handle;
            m_flying[m_flights++] = job;
         }
      }
      return ended;
   }

   /// Sends the outcomes again that are due, and drops what is long over.
   void KeepUp() {
      ulong now = GetMicrosecondCount();
      m_seen.Forget(now);
      for(int i = 0; i < MTB_RESEND_MAX; i++) {
         int at = m_seen.NextDue(now, m_connected_us);
         if(at < 0)
            return;
         MtbId command;
         MtbEnded end;
         m_seen.End(at, command, end);
         SendOutcome(command, end);
      }
   }
};

#endif
