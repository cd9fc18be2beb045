class CUser {
public:
   int Run() { return Helper() + m_late; }

private:
   int m_late;
};

int Helper() { return 1; }
