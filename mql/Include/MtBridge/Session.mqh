//+------------------------------------------------------------------+
//| Session.mqh: the life of the connection to the hub               |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_SESSION_MQH
#define MTBRIDGE_SESSION_MQH

#include <MtBridge\Chart.mqh>
#include <MtBridge\Desk.mqh>
#include <MtBridge\Live.mqh>
#include <MtBridge\Status.mqh>
#include <MtBridge\Trade.mqh>
#include <MtBridge\Words.mqh>

/// Messages that one turn handles at most.
#define MTB_TURN_MAX 64
/// Hello is answered within this, or the hub is no hub, microseconds.
#define MTB_WELCOME_US 10000000
/// A hub that is silent for so long is given up, microseconds.
#define MTB_SILENCE_US 30000000
/// The journal and the account are looked for again after so long, microseconds.
#define MTB_AGAIN_US 1000000
/// How often something new in the Status is looked for, microseconds.
#define MTB_LOOK_US 50000
/// So much of a kill switch's reason is kept, characters.
#define MTB_LATCH_WORDS 500
/// Before a token expires it is said for 30 days, milliseconds.
#define MTB_EXPIRY_MS ((long)2592000000)

// What the session is doing.
/// Waiting for an account, or for the journal file.
#define MTB_PHASE_UNBOUND 0
/// Waiting for the next attempt to connect.
#define MTB_PHASE_WAIT 1
#define MTB_PHASE_CONNECT 2
/// Hello is sent.
#define MTB_PHASE_HELLO 3
#define MTB_PHASE_LIVE 4
/// Stopped for good.
#define MTB_PHASE_FINAL 5

/// What the inputs say about the connection.
struct MtbSettings {
   string token;
   string url;
   uint retry_base_ms;
   uint retry_max_ms;
   uint taken_wait_ms;
};

/// Connects, says Hello, answers, and comes back when it must. One turn each timer event; none of them blocks, but for connecting.
class CSession {
private:
   CWebSocket m_web;
   CDesk m_desk;
   CLive m_live;
   CTrades *m_trades;
   CJournal *m_journal;
   CLimits *m_limits;
   MtbSettings m_settings;
   MtbAddress m_address;
   MtbId m_instance;
   ulong m_login;
   string m_server;
   int m_phase;
   int m_failures;
   /// When the phase began, and when it goes on by itself.
   ulong m_since_us;
   ulong m_next_us;
   MtbMoment m_turn;
   uint m_loop_age_ms;
   ulong m_heartbeat_us;
   ulong m_status_us;
   ulong m_look_us;
   ulong m_told;
   bool m_wanted;
   long m_expires_ms;
   long m_hub_ms;
   ulong m_hub_at_us;
   string m_problem;
   ulong m_panel_us;
   uchar m_message[];
   CPackReader m_reader;
   CPackWriter m_writer;

   void Enter(const int phase) {
      m_phase = phase;
      m_since_us = GetMicrosecondCount();
      m_panel_us = 0;
   }

   /// Remembers what is wrong, and prints it once.
   void Tell(const string problem) {
      if(problem != "" && problem != m_problem)
         Print("MtBridge: ", problem);
      m_problem = problem;
      m_panel_us = 0;
   }

   /// No more attempts, until the EA is attached anew or the account changes.
   void StopForGood(const string problem) {
      m_trades.CloseForGood();
      m_web.Close(1000, problem);
      Enter(MTB_PHASE_FINAL);
      if(problem != m_problem)
         Alert("MtBridge stopped: ", problem);
      Tell(problem);
   }

   /// The connection is over; the next attempt comes after the back-off, and after `at_least_ms`.
   void ComeBack(const string problem, const uint at_least_ms) {
      m_desk.Reset();
      m_live.Reset();
      double wait = (double)m_settings.retry_base_ms;
      for(int i = 0; i < m_failures && wait < (double)m_settings.retry_max_ms; i++)
         wait *= 2.0;
      if(wait > (double)m_settings.retry_max_ms)
         wait = (double)m_settings.retry_max_ms;
      m_failures++;
      ulong wait_us = (ulong)(wait * (500.0 + 500.0 * m_web.m_random.Dice()));
      if(wait_us < (ulong)at_least_ms * 1000)
         wait_us = (ulong)at_least_ms * 1000;
      Enter(MTB_PHASE_WAIT);
      m_next_us = m_since_us + wait_us;
      Tell(problem);
   }

   /// Gives the connection up from this side.
   void GiveUp(const int code, const string problem) {
      m_web.Close(code, problem);
      ComeBack(problem, 0);
   }

   /// The connection has ended: what does it mean?
   void Over() {
      int code = m_web.Code();
      int status = m_web.Status();
      string problem = m_web.Problem();
      if(code != 1006)
         problem = "The hub closed the connection (" + IntegerToString(code) + "): " + (problem == "" ? MtbCloseWords(code) : problem);
      problem = MtbSentence(problem);
      bool is_final = (code >= MTB_CLOSE_FINAL && code <= 4999) || status == 401 || status == 403;
      if(is_final) {
         StopForGood(MtbSentence(problem) + MtbAdvice(code, status));
         return;
      }
      uint at_least = (uint)m_web.RetryAfter() * 1000;
      if(code == MTB_CLOSE_REPLACED || code == MTB_CLOSE_ELSEWHERE)
         at_least = m_settings.taken_wait_ms;
      ComeBack(problem, at_least);
   }

   /// Draws an instance: 16 random bytes that no other instance of any terminal has.
   bool DrawInstance() {
      ulong number = m_journal.NextInstance();
      if(number == 0)
         return false;
      m_web.m_random.Stir(m_server + IntegerToString((long)m_login) + IntegerToString((long)number));
      do {
         m_instance.hi = m_web.m_random.Next64();
         m_instance.lo = m_web.m_random.Next64();
      } while(MtbIdIsZero(m_instance));
      return true;
   }

   /// Looks for an account and its journal file, and begins an instance with them.
   void Bind() {
      m_next_us = GetMicrosecondCount() + MTB_AGAIN_US;
      m_login = Login();
      m_server = AccountServerName();
      if(m_login == 0 || m_server == "") {
         Tell("Nobody is logged in: use File > Login to Trade Account.");
         return;
      }
      bool locked = false;
      if(!m_journal.Open(m_login, m_server, locked)) {
         Tell(locked ? "MtBridge already runs on another chart of this terminal: remove one of the two."
                     : "The journal file in the folder Files\\MtBridge cannot be opened: is the disk full or write-protected?");
         return;
      }
      if(!DrawInstance()) {
         m_journal.Close();
         Tell("The journal file in the folder Files\\MtBridge cannot be written: is the disk full or write-protected?");
         return;
      }
      // Accounts may change without OnInit: nothing of the old one is carried over.
      PlatformStart();
      m_trades.Start(m_journal, m_limits, GetPointer(m_web), m_instance, m_login, m_server);
      m_failures = 0;
      Tell("");
      Enter(MTB_PHASE_WAIT);
      m_next_us = m_since_us;
   }

   /// Another account is logged in: everything that belonged to the old one ends.
   void Unbind() {
      m_web.Close(1000, "");
      m_desk.Reset();
      m_live.Reset();
      m_journal.Close();
      Enter(MTB_PHASE_UNBOUND);
      m_next_us = m_since_us;
   }

   bool IsOtherAccount() const {
      ulong login = Login();
      return login != 0 && (login != m_login || AccountServerName() != m_server);
   }

   void SayHello() {
      m_trades.Knocks();
      WriteHello(m_writer, m_journal, m_instance);
      m_web.Send(m_writer);
      m_web.Flush();
      Enter(MTB_PHASE_HELLO);
      m_next_us = m_since_us + MTB_WELCOME_US;
   }

   bool OnWelcome() {
      MtbId session;
      m_reader.GetId(session);
      m_reader.GetUInt();
      long heartbeat_ms = (long)m_reader.GetUInt();
      m_hub_ms = m_reader.GetInt();
      m_reader.Skip();
      m_expires_ms = m_reader.GetInt();
      if(m_reader.Failed())
         return false;
      heartbeat_ms = heartbeat_ms < 20 ? 20 : (heartbeat_ms > 60000 ? 60000 : heartbeat_ms);
      m_heartbeat_us = (ulong)heartbeat_ms * 1000;
      m_hub_at_us = GetMicrosecondCount();
      m_chart.HubTime(m_hub_ms);
      m_failures = 0;
      m_wanted = true;
      Enter(MTB_PHASE_LIVE);
      m_trades.Connected();
      // Ahead of the outcomes that are due.
      Heartbeat(m_since_us);
      Tell(ExpiryWords());
      return true;
   }

   /// A warning from 30 days before the token expires; "" before that.
   string ExpiryWords() const {
      long now_ms = m_hub_ms + (long)((GetMicrosecondCount() - m_hub_at_us) / 1000);
      if(m_expires_ms <= 0 || m_expires_ms - now_ms > MTB_EXPIRY_MS)
         return "";
      return "The token expires on " + TimeToString((datetime)(m_expires_ms / 1000), TIME_DATE) + ": ask for a new one before.";
   }

   bool OnLatch() {
      int level = m_reader.GetSmall(255);
      // It goes back to the hub in each Status, and no message may be above its limit.
      string reason = StringSubstr(m_reader.GetText(), 0, MTB_LATCH_WORDS);
      if(m_reader.Failed())
         return false;
      if(!m_journal.SetLatch(level, reason))
         Print("MtBridge: the journal file cannot be written, and a restart would forget the kill switch");
      m_wanted = true;
      return true;
   }

   /// Deals with one message, of which `size` bytes of m_message count. False: it is no message of the protocol.
   bool Receive(const int size) {
      if(!m_reader.Attach(m_message, 0, size) || m_reader.Enter() < 0)
         return false;
      ulong tag = m_reader.GetUInt();
      m_reader.GetUInt();
      if(m_reader.Failed())
         return false;
      if(tag == MTB_WELCOME)
         return OnWelcome();
      bool known = (tag >= MTB_TRADE && tag <= MTB_SUBSCRIBE) || (tag >= MTB_GET_ACCOUNT && tag <= MTB_GET_SESSION);
      // A newer hub may say more than this EA understands.
      if(!known)
         return true;
      if(m_phase != MTB_PHASE_LIVE)
         return false;
      switch((int)tag) {
         case MTB_TRADE: return m_trades.OnTrade(m_reader);
         case MTB_QUERY: return m_trades.OnQuery(m_reader);
         case MTB_ACKNOWLEDGE: return m_trades.OnAcknowledge(m_reader);
         case MTB_LATCH: return OnLatch();
         case MTB_DRAW:
            m_chart.Draw(m_reader);
            return true;
         case MTB_SUBSCRIBE: return m_live.Take(m_reader);
      }
      return m_desk.Take((int)tag, m_message, size, m_web);
   }

   /// Takes what has arrived, up to a turn's worth.
   void Drain() {
      m_web.Turn();
      if(m_phase == MTB_PHASE_CONNECT && m_web.IsOpen())
         SayHello();
      int size = 0;
      for(int i = 0; i < MTB_TURN_MAX; i++) {
         if(m_phase != MTB_PHASE_HELLO && m_phase != MTB_PHASE_LIVE)
            break;
         if(!m_web.Next(m_message, size))
            break;
         if(!Receive(size)) {
            GiveUp(1002, "The hub sent what is no message of mtbridge.v1. Do the hub and this EA belong together?");
            return;
         }
      }
      bool connected = m_phase == MTB_PHASE_CONNECT || m_phase == MTB_PHASE_HELLO || m_phase == MTB_PHASE_LIVE;
      if(connected && m_web.State() == MTB_WEB_CLOSED)
         Over();
   }

   /// What time has brought about.
   void Advance(const ulong now) {
      if(m_phase == MTB_PHASE_UNBOUND && now >= m_next_us)
         Bind();
      if(m_phase == MTB_PHASE_WAIT && now >= m_next_us) {
         m_web.Connect(m_address, m_settings.token);
         Enter(MTB_PHASE_CONNECT);
      }
      if(m_phase == MTB_PHASE_HELLO && now >= m_next_us)
         GiveUp(1002, "The hub did not answer Hello in time.");
      if(m_phase == MTB_PHASE_LIVE && now > m_web.Heard() && now - m_web.Heard() > MTB_SILENCE_US)
         GiveUp(1001, "Nothing was heard from the hub for 30 seconds.");
   }

   /// Sends a Status when it is due, or when it says something new.
   void Heartbeat(const ulong now) {
      bool due = m_wanted || now - m_status_us >= m_heartbeat_us;
      if(!due && now - m_look_us >= MTB_LOOK_US) {
         m_look_us = now;
         due = StatusDigest(m_limits) != m_told;
      }
      if(!due)
         return;
      m_told = StatusDigest(m_limits);
      m_wanted = false;
      m_status_us = now;
      m_look_us = now;
      WriteStatus(m_writer, m_journal, m_limits, m_loop_age_ms);
      m_web.Send(m_writer);
   }

   string PhaseWords() const {
      switch(m_phase) {
         case MTB_PHASE_UNBOUND: return "not ready";
         case MTB_PHASE_WAIT: return "waiting to connect again";
         case MTB_PHASE_CONNECT: return "connecting";
         case MTB_PHASE_HELLO: return "saying hello";
         case MTB_PHASE_LIVE: return "connected";
      }
      return "STOPPED";
   }

   void DrawPanel(const ulong now) {
      if(m_panel_us != 0 && now - m_panel_us < 1000000)
         return;
      m_panel_us = now;
      string problem = m_problem;
      string trading = MtbTradingProblem(BrokerConnected(), TradeAllowedTerminal(), TradeAllowedEa(), TradeAllowedAccount());
      if(problem == "" && trading != "")
         problem = trading;
      if(problem == "" && LatchLevel(m_journal, m_limits) > 0)
         problem = "Kill switch: " + LatchWords(m_journal, m_limits);
      m_chart.Panel(PhaseWords(), IntegerToString((long)m_login) + "@" + m_server, MtbHostHeader(m_address), problem);
      m_chart.Turn();
   }

public:
   CChart m_chart;

   CSession() {
      m_trades = NULL;
      m_journal = NULL;
      m_limits = NULL;
      m_phase = MTB_PHASE_FINAL;
      m_failures = 0;
      m_login = 0;
      m_server = "";
      m_problem = "";
      m_since_us = 0;
      m_next_us = 0;
      m_loop_age_ms = 0;
      m_heartbeat_us = 1000000;
      m_status_us = 0;
      m_look_us = 0;
      m_told = 0;
      m_wanted = false;
      m_expires_ms = 0;
      m_hub_ms = 0;
      m_hub_at_us = 0;
      m_panel_us = 0;
      MtbIdClear(m_instance);
   }

   /// OnInit: a new instance. What is pointed to belongs to the caller and must live as long.
   void Start(CTrades *trades, CJournal *journal, CLimits *limits, const MtbSettings &settings) {
      m_trades = trades;
      m_journal = journal;
      m_limits = limits;
      m_settings = settings;
      m_settings.token = MtbTrim(m_settings.token);
      m_problem = "";
      m_address.host = "";
      m_address.port = 443;
      m_address.tls = true;
      m_desk.Reset();
      m_live.Reset();
      MtbNow(m_turn);
      MathSrand((int)(GetTickCount() & 0x7FFFFFFF));
      m_web.m_random.Stir(m_settings.token + TerminalInfoString(TERMINAL_DATA_PATH) + IntegerToString(ChartID()));
      m_web.m_random.Stir(IntegerToString((long)TimeLocal()) + IntegerToString((long)GetTickCount()));
      string problem = "";
      if(m_settings.token == "")
         problem = "API_TOKEN is empty. Press F7 > Inputs and put in the token that the hub gave for this account.";
      else if(!MtbIsPlain(m_settings.token))
         problem = "API_TOKEN has characters that no token has. Press F7 > Inputs and copy it anew.";
      else
         MtbReadAddress(m_settings.url, m_address, problem);
      if(problem != "") {
         StopForGood(problem);
         return;
      }
      Enter(MTB_PHASE_UNBOUND);
      m_next_us = m_since_us;
   }

   /// OnDeinit: says goodbye. Orders on their way are found by the hub at the broker, by their tags.
   void Stop() {
      m_web.Close(1001, "");
      m_phase = MTB_PHASE_FINAL;
      m_journal.Close();
      m_chart.Clear();
   }

   /// Whether a session stands.
   bool IsLive() const { return m_phase == MTB_PHASE_LIVE && m_web.IsOpen(); }

   /// A Status is wanted at the end of this turn, because something has changed.
   void StatusWanted() { m_wanted = true; }

   /// Queues a message. False, and it is dropped, if no session stands.
   bool SendMessage(const CPackWriter &message) { return IsLive() && m_web.Send(message); }

   /// First half of a turn: takes what has arrived, and executes.
   void TurnIn() {
      MtbMoment before = m_turn;
      MtbNow(m_turn);
      m_loop_age_ms = (uint)((m_turn.mono_us - before.mono_us) / 1000);
      bool connected = m_phase == MTB_PHASE_CONNECT || m_phase == MTB_PHASE_HELLO || m_phase == MTB_PHASE_LIVE;
      // What waits in the socket came before the suspension: unread, it is never executed.
      if(connected && MtbClocksPart(before, m_turn))
         GiveUp(1001, "The machine was suspended, or its clock was moved.");
      bool bound = m_journal.IsOpen();
      if(!bound && m_phase != MTB_PHASE_UNBOUND && m_phase != MTB_PHASE_FINAL) {
         Unbind();
         Tell("The journal file in the folder Files\\MtBridge was lost. It is looked for again.");
      }
      if(bound && IsOtherAccount()) {
         Unbind();
         bound = false;
      }
      SyncTurn();
      Advance(GetMicrosecondCount());
      Drain();
      // Accepted is on the wire before an order is sent. If it cannot be written, the EA goes on: INTENT stands.
      m_web.Flush();
      if(bound)
         m_trades.Execute();
   }

   /// Second half of a turn: says what there is to say, with one write.
   void TurnOut() {
      ulong now = GetMicrosecondCount();
      if(IsLive()) {
         m_trades.KeepUp();
         Heartbeat(now);
         m_desk.Turn(m_web);
      }
      m_web.Flush();
      // What the market does is told when all else is on the wire.
      if(IsLive() && !m_live.IsIdle() && m_web.Unsent() == 0) {
         m_live.Turn(m_web);
         m_web.Flush();
      }
      if(m_journal.IsLong() && !m_trades.IsBusy())
         m_journal.Compact();
      DrawPanel(now);
   }
};

#endif
