class CLater;

interface IShape {
   double Area() const;
};

class CShape : public IShape {
protected:
   double m_size;
   static int s_count;

private:
   CLater *m_later;

public:
   CShape(const double size) : m_size(size) {
      m_later = NULL;
      s_count++;
   }
   ~CShape();
   virtual double Area() const { return m_size * m_size; }
   double Size() const { return m_size; }
   void Set(const double a, const int times = 2);
   static int Count() { return s_count; }
};

int CShape::s_count = 0;

CShape::~CShape() {
   if(m_later != NULL)
      s_count--;
}

void CShape::Set(const double a, const int times = 2) {
   this.m_size = a * times;
}

class CRound : public CShape {
public:
   CRound(const double size) : CShape(size) {}
   virtual double Area() const { return 3.14 * m_size * CShape::Size(); }
};

class CLater {
public:
   int m_value;
   CLater() { m_value = 1; }
};

double Use(CShape &shape) { return shape.Area(); }

double Test() {
   CRound round(2.0);
   CShape *made = new CRound(1.5);
   CShape *pointer = GetPointer(round);
   CRound *back = dynamic_cast<CRound *>(made);
   double sum = Use(round) + Use(made) + pointer.Area();
   if(back != NULL && CheckPointer(back) != POINTER_INVALID)
      back.Set(1.0);
   delete made;
   return sum + CShape::Count();
}
