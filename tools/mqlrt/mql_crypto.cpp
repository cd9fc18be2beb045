// CryptEncode and CryptDecode: hashes and Base64, written out so that the runtime needs no library for them.
#include "runtime.hpp"

#include <array>
#include <bit>

namespace mql {

namespace {
using Bytes = std::vector<uchar>;

/// The message, a one bit, zeros and the length in bits, to whole blocks of 64 bytes.
Bytes padded(const uchar *data, long count, bool big_endian) {
    Bytes all(data, data + count);
    all.push_back(0x80);
    while (all.size() % 64 != 56) all.push_back(0);
    const ulong bits = static_cast<ulong>(count) * 8;
    for (int i = 0; i < 8; ++i) all.push_back(static_cast<uchar>(bits >> 8 * (big_endian ? 7 - i : i)));
    return all;
}
uint big(const uchar *p) { return uint{p[0]} << 24 | uint{p[1]} << 16 | uint{p[2]} << 8 | p[3]; }
uint little(const uchar *p) { return uint{p[3]} << 24 | uint{p[2]} << 16 | uint{p[1]} << 8 | p[0]; }
template <std::size_t N> Bytes joined(const std::array<uint, N> &words, bool big_endian) {
    Bytes made;
    for (const uint w : words)
        for (int i = 0; i < 4; ++i) made.push_back(static_cast<uchar>(w >> 8 * (big_endian ? 3 - i : i)));
    return made;
}

Bytes sha1(const uchar *data, long count) {
    std::array<uint, 5> h = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    const Bytes all = padded(data, count, true);
    for (std::size_t at = 0; at < all.size(); at += 64) {
        uint w[80];
        for (int i = 0; i < 16; ++i) w[i] = big(&all[at + static_cast<std::size_t>(i) * 4]);
        for (int i = 16; i < 80; ++i) w[i] = std::rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        auto [a, b, c, d, e] = h;
        for (int i = 0; i < 80; ++i) {
            const uint f = i < 20 ? (b & c) | (~b & d) : i >= 40 && i < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
            const uint k = i < 20 ? 0x5A827999 : i < 40 ? 0x6ED9EBA1 : i < 60 ? 0x8F1BBCDC : 0xCA62C1D6;
            const uint t = std::rotl(a, 5) + f + e + k + w[i];
            e = d, d = c, c = std::rotl(b, 30), b = a, a = t;
        }
        h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
    }
    return joined(h, true);
}

/// The first 32 bits of the fractional part of the k-th root of the n-th prime: where SHA-256's constants come from.
std::vector<uint> root_bits(int how_many, double power) {
    std::vector<uint> found;
    for (int n = 2; static_cast<int>(found.size()) < how_many; ++n) {
        bool prime = true;
        for (int d = 2; d * d <= n; ++d) prime = prime && n % d != 0;
        if (!prime) continue;
        const long double root = power == 2 ? std::sqrt(static_cast<long double>(n)) : std::cbrt(static_cast<long double>(n));
        found.push_back(static_cast<uint>((root - std::floor(root)) * 4294967296.0L));
    }
    return found;
}

Bytes sha256(const uchar *data, long count) {
    static const std::vector<uint> k = root_bits(64, 3), start = root_bits(8, 2);
    std::array<uint, 8> h;
    std::copy(start.begin(), start.end(), h.begin());
    const Bytes all = padded(data, count, true);
    for (std::size_t at = 0; at < all.size(); at += 64) {
        uint w[64];
        for (int i = 0; i < 16; ++i) w[i] = big(&all[at + static_cast<std::size_t>(i) * 4]);
        for (int i = 16; i < 64; ++i) {
            const uint x = w[i - 15], y = w[i - 2];
            w[i] = w[i - 16] + (std::rotr(x, 7) ^ std::rotr(x, 18) ^ (x >> 3)) + w[i - 7] + (std::rotr(y, 17) ^ std::rotr(y, 19) ^ (y >> 10));
        }
        std::array<uint, 8> v = h;
        for (std::size_t i = 0; i < 64; ++i) {
            const uint s1 = std::rotr(v[4], 6) ^ std::rotr(v[4], 11) ^ std::rotr(v[4], 25);
            const uint t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[i] + w[i];
            const uint s0 = std::rotr(v[0], 2) ^ std::rotr(v[0], 13) ^ std::rotr(v[0], 22);
            const uint t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
            v = {t1 + t2, v[0], v[1], v[2], v[3] + t1, v[4], v[5], v[6]};
        }
        for (std::size_t i = 0; i < 8; ++i) h[i] += v[i];
    }
    return joined(h, true);
}

Bytes md5(const uchar *data, long count) {
    constexpr int turns[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    std::array<uint, 4> h = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476};
    const Bytes all = padded(data, count, false);
    for (std::size_t at = 0; at < all.size(); at += 64) {
        auto [a, b, c, d] = h;
        for (int i = 0; i < 64; ++i) {
            const int round = i / 16;
            const uint f = round == 0 ? (b & c) | (~b & d) : round == 1 ? (d & b) | (~d & c) : round == 2 ? b ^ c ^ d : c ^ (b | ~d);
            const int g = round == 0 ? i : round == 1 ? (5 * i + 1) % 16 : round == 2 ? (3 * i + 5) % 16 : 7 * i % 16;
            const uint k = static_cast<uint>(std::floor(std::fabs(std::sin(i + 1.0)) * 4294967296.0));
            const uint t = a + f + k + little(&all[at + static_cast<std::size_t>(g) * 4]);
            a = d, d = c, c = b;
            b += std::rotl(t, turns[round][i % 4]);
        }
        h[0] += a, h[1] += b, h[2] += c, h[3] += d;
    }
    return joined(h, false);
}

constexpr char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

Bytes base64(const uchar *data, long count) {
    Bytes made;
    for (long i = 0; i < count; i += 3) {
        const uint three = uint{data[i]} << 16 | (i + 1 < count ? uint{data[i + 1]} << 8 : 0) | (i + 2 < count ? data[i + 2] : 0);
        for (int k = 0; k < 4; ++k) made.push_back(static_cast<uchar>(i + k > count ? '=' : ALPHABET[three >> (18 - 6 * k) & 63]));
    }
    return made;
}
Bytes from_base64(const uchar *data, long count) {
    Bytes made;
    uint bits = 0;
    int have = 0;
    for (long i = 0; i < count && data[i] != '='; ++i) {
        const char *at = data[i] == 0 ? nullptr : std::strchr(ALPHABET, data[i]);
        if (at == nullptr) return {};
        bits = bits << 6 | static_cast<uint>(at - ALPHABET);
        have += 6;
        if (have >= 8) made.push_back(static_cast<uchar>(bits >> (have -= 8)));
    }
    return made;
}
} // namespace

std::vector<uchar> crypto::encode(int method, const uchar *data, long count) {
    switch (method) {
    case CRYPT_BASE64: return base64(data, count);
    case CRYPT_HASH_SHA1: return sha1(data, count);
    case CRYPT_HASH_SHA256: return sha256(data, count);
    case CRYPT_HASH_MD5: return md5(data, count);
    default: critical("CryptEncode: this method is not modelled");
    }
}
std::vector<uchar> crypto::decode(int method, const uchar *data, long count) {
    if (method != CRYPT_BASE64) critical("CryptDecode: this method is not modelled");
    return from_base64(data, count);
}

int crypt_result(const std::vector<uchar> &made, const ArrRef<uchar> &result) {
    long n = static_cast<long>(made.size());
    if (result.resize(static_cast<int>(n), 0) < 0) n = std::min(n, result.count());
    if (n == 0) return failed(4003, 0); // invalid parameter
    std::memcpy(result.data(), made.data(), static_cast<std::size_t>(n));
    return static_cast<int>(n);
}

} // namespace mql
