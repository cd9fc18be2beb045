// TLS by OpenSSL where its headers are installed; without them every handshake fails.
#include "runtime.hpp"

#include <poll.h>

#if __has_include(<openssl/ssl.h>)
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <ctime>

namespace mql::tls {

struct Connection {
    SSL *ssl;
};

namespace {
/// The store of the system, which is Windows' for a terminal, and `--tls-ca`.
SSL_CTX *context() {
    static SSL_CTX *made = [] {
        SSL_CTX *c = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_verify(c, SSL_VERIFY_PEER, nullptr);
        SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_CTX_set_default_verify_paths(c);
        if (!options().tls_ca.empty() && SSL_CTX_load_verify_locations(c, options().tls_ca.c_str(), nullptr) != 1) critical("--tls-ca: not a certificate");
        return c;
    }();
    return made;
}
bool try_again(int error) { return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE; }
std::string name_of(X509_NAME *name) {
    char words[512] = "";
    X509_NAME_oneline(name, words, sizeof words);
    return words;
}
std::string hex(const unsigned char *bytes, long count) {
    std::string made;
    for (long i = 0; i < count; ++i) {
        char two[3];
        std::snprintf(two, sizeof two, "%02X", bytes[i]);
        made += two;
    }
    return made;
}
} // namespace

bool available() { return true; }

Connection *handshake(int descriptor, const std::string &host, long timeout_ms) {
    SSL *ssl = SSL_new(context());
    SSL_set_fd(ssl, descriptor);
    const bool number = host.find_first_not_of("0123456789.") == std::string::npos;
    if (number)
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str());
    else {
        SSL_set_tlsext_host_name(ssl, host.c_str());
        SSL_set1_host(ssl, host.c_str());
    }
    const long until = monotonic_micros() / 1000 + timeout_ms;
    while (true) {
        ERR_clear_error();
        const int n = SSL_connect(ssl);
        if (n == 1) return new Connection{ssl};
        const int error = SSL_get_error(ssl, n);
        const short event = error == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN;
        if (!try_again(error) || !net::wait(descriptor, event, std::max(0L, until - monotonic_micros() / 1000))) {
            SSL_free(ssl);
            return nullptr;
        }
    }
}
long read(Connection *connection, void *to, long most) {
    ERR_clear_error();
    const int n = SSL_read(connection->ssl, to, static_cast<int>(most));
    if (n > 0) return n;
    return try_again(SSL_get_error(connection->ssl, n)) ? 0 : -1;
}
long write(Connection *connection, const void *from, long count) {
    ERR_clear_error();
    const int n = SSL_write(connection->ssl, from, static_cast<int>(count));
    if (n > 0) return n;
    return try_again(SSL_get_error(connection->ssl, n)) ? 0 : -1;
}
long pending(Connection *connection) { return SSL_pending(connection->ssl); }

bool certificate(Connection *connection, Certificate &facts) {
    X509 *x = SSL_get1_peer_certificate(connection->ssl);
    if (x == nullptr) return false;
    facts.subject = name_of(X509_get_subject_name(x));
    facts.issuer = name_of(X509_get_issuer_name(x));
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
    facts.serial = hex(serial->data, serial->length);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    X509_digest(x, EVP_sha1(), digest, &size);
    facts.thumbprint = hex(digest, size);
    tm end{};
    ASN1_TIME_to_tm(X509_get0_notAfter(x), &end);
    facts.expiration = timegm(&end);
    X509_free(x);
    return true;
}
void end(Connection *connection) {
    SSL_shutdown(connection->ssl);
    SSL_free(connection->ssl);
    delete connection;
}

} // namespace mql::tls

#else

namespace mql::tls {
bool available() { return false; }
Connection *handshake(int, const std::string &, long) { return nullptr; }
long read(Connection *, void *, long) { return -1; }
long write(Connection *, const void *, long) { return -1; }
long pending(Connection *) { return 0; }
bool certificate(Connection *, Certificate &) { return false; }
void end(Connection *) {}
} // namespace mql::tls

#endif
