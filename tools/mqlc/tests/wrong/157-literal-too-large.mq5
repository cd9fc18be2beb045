// warning 44
uchar g_a = 256; // <-
