string g_text = NULL;
class CNode {
public:
   CNode *m_next;
   CNode() { m_next = NULL; }
};
bool Last(CNode *node) { return node == NULL || !node || node.m_next == NULL; }
