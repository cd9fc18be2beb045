//+------------------------------------------------------------------+
//| Desk.mqh: reads wait here, and their replies leave in parts      |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_DESK_MQH
#define MTBRIDGE_DESK_MQH

#include <MtBridge\Commands.mqh>
#include <MtBridge\Queue.mqh>
#include <MtBridge\WebSocket.mqh>

/// So many reads may wait; what comes beyond is answered with an error.
#define MTB_READS_MAX 64
/// Size of one part of a reply, bytes.
#define MTB_PART 262144
/// All parts of one reply together, bytes.
#define MTB_REPLY_MAX 16777216
/// No part follows while so much is not yet written, bytes.
#define MTB_DESK_UNSENT 131072
/// After so long in one turn the next read waits for the next turn, microseconds.
#define MTB_DESK_US 8000

/// Reads are served behind the trades of a turn, a few each turn, so that a large one holds up no order; a long reply leaves in parts,
/// between which everything else passes.
class CDesk {
private:
   CPackReader m_waiting[MTB_READS_MAX];
   int m_tags[MTB_READS_MAX];
   ulong m_calls[MTB_READS_MAX];
   int m_first;
   int m_count;
   /// The reply that is leaving.
   CPackWriter m_body;
   MtbReply m_reply;
   ulong m_call;
   int m_part;
   int m_parts;
   CPackWriter m_writer;

   void SendPart(CWebSocket &web) {
      int from = m_part * MTB_PART;
      int size = m_body.Size() - from < MTB_PART ? m_body.Size() - from : MTB_PART;
      Begin(m_writer, MTB_REPLY, 7);
      m_writer.PutUInt(m_call);
      m_writer.PutUInt((ulong)m_reply.status);
      m_writer.PutUInt((ulong)m_part);
      m_writer.PutUInt((ulong)m_parts);
      m_writer.PutInt((long)m_reply.code);
      m_writer.PutText(m_reply.text);
      m_writer.PutBin(m_body.m_data, from, size);
      web.Send(m_writer);
      m_part++;
      if(m_part >= m_parts)
         m_parts = 0;
   }

   /// Serves the read that waited longest.
   void Serve() {
      int at = m_first;
      m_first = (m_first + 1) % MTB_READS_MAX;
      m_count--;
      m_call = m_calls[at];
      m_body.Clear();
      m_reply.status = MTB_REPLY_ERROR;
      m_reply.code = 0;
      m_reply.text = "";
      ServeRead(m_tags[at], m_waiting[at], m_body, m_reply);
      if(m_waiting[at].Failed()) {
         m_reply.status = MTB_REPLY_ERROR;
         m_reply.text = "the request is no message of mtbridge.v1";
         m_body.Clear();
      } else if(m_body.Size() > MTB_REPLY_MAX) {
         m_reply.status = MTB_REPLY_ERROR;
         m_reply.text = "the reply would be above 16 MiB: ask for less";
         m_body.Clear();
      }
      m_part = 0;
      m_parts = m_body.Size() <= MTB_PART ? 1 : (m_body.Size() + MTB_PART - 1) / MTB_PART;
   }

public:
   CDesk() { Reset(); }

   /// Forgets everything: calls belong to the session in which they came.
   void Reset() {
      m_first = 0;
      m_count = 0;
      m_parts = 0;
      m_part = 0;
      m_call = 0;
   }

   /// Takes a read whose message is `data`; its tag was read, the rest follows in `in` behind the count. False: it is no message.
   bool Take(const int tag, const uchar &data[], const int size, CWebSocket &web) {
      int at = (m_first + m_count) % MTB_READS_MAX;
      CPackReader overflow;
      if(m_count == MTB_READS_MAX)
         return Refuse(data, size, overflow, web);
      m_waiting[at].Attach(data, 0, size);
      m_waiting[at].Enter();
      m_waiting[at].Skip();
      m_waiting[at].Skip();
      m_calls[at] = m_waiting[at].GetUInt();
      m_tags[at] = tag;
      if(m_waiting[at].Failed())
         return false;
      m_count++;
      return true;
   }

   bool Refuse(const uchar &data[], const int size, CPackReader &in, CWebSocket &web) {
      in.Attach(data, 0, size);
      in.Enter();
      in.Skip();
      in.Skip();
      ulong call = in.GetUInt();
      if(in.Failed())
         return false;
      Begin(m_writer, MTB_REPLY, 7);
      m_writer.PutUInt(call);
      m_writer.PutUInt(MTB_REPLY_ERROR);
      m_writer.PutUInt(0);
      m_writer.PutUInt(1);
      m_writer.PutInt(0);
      m_writer.PutText("the terminal has too many reads waiting");
      m_writer.PutBin(m_writer.m_data, 0, 0);
      web.Send(m_writer);
      return true;
   }

   /// Serves what fits into a turn.
   void Turn(CWebSocket &web) {
      ulong since = GetMicrosecondCount();
      while(web.IsOpen() && web.Unsent() < MTB_DESK_UNSENT) {
         if(m_parts == 0) {
            if(m_count == 0 || GetMicrosecondCount() - since > MTB_DESK_US)
               return;
            Serve();
         }
         SendPart(web);
      }
   }
};

#endif
