// error 191
enum EOne { CASE_A };
enum ETwo { CASE_A }; // <-
