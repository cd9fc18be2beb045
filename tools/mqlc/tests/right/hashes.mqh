int Hash(const string text, uchar &out[]) {
   uchar data[];
   uchar key[];
   int count = StringToCharArray(text, data, 0, WHOLE_ARRAY, CP_UTF8) - 1;
   ArrayResize(data, count);
   return CryptEncode(CRYPT_HASH_SHA256, data, key, out);
}
