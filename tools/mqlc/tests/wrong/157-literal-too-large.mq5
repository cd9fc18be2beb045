// warning 43
uchar g_a = 256; // <-
