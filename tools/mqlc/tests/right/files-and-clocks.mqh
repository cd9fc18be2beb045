bool Test() {
   int file = FileOpen("a.bin", FILE_READ | FILE_WRITE | FILE_BIN | FILE_SHARE_READ);
   if(file == INVALID_HANDLE)
      return false;
   uchar bytes[];
   if(FileReadArray(file, bytes) > 0 && FileSeek(file, 0, SEEK_SET))
      FileWriteArray(file, bytes, 0, ArraySize(bytes));
   FileFlush(file);
   FileClose(file);
   uint begun = GetTickCount();
   return GetTickCount() - begun < 5 && GetMicrosecondCount() > 0 && TimeCurrent() >= TimeGMT() - 60;
}
