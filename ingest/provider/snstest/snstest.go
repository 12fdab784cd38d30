// Package snstest stands in for Amazon SNS in tests: it signs messages, and serves
// the certificate and the address that confirms a subscription by TLS.
package snstest

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Where it pretends to be, and a topic.
const (
	Host    = "sns.eu-west-1.amazonaws.com"
	CertURL = "https://" + Host + "/SimpleNotificationService-0a1b2c.pem"
	Topic   = "arn:aws:sns:eu-west-1:123456789012:mail"
)

// Amazon is the stand-in.
type Amazon struct {
	// Client reaches it under any name.
	Client *http.Client
	// Key signs messages; Certificate is its own, in PEM.
	Key         *rsa.PrivateKey
	Certificate []byte
	// Serve, where set, answers instead.
	Serve http.HandlerFunc

	mu   sync.Mutex
	seen []string
}

// New starts a stand-in that lasts as long as the test.
func New(t testing.TB) *Amazon {
	t.Helper()
	a := &Amazon{}
	a.Key, a.Certificate = Certificate(t, "sns.amazonaws.com", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	server := httptest.NewTLSServer(http.HandlerFunc(a.serve))
	t.Cleanup(server.Close)
	transport := server.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.ServerName = "example.com" // Whose certificate the server has.
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}
	t.Cleanup(transport.CloseIdleConnections)
	a.Client = &http.Client{Transport: transport}
	return a
}

// Certificate makes a key and its self-signed certificate.
func Certificate(t testing.TB, name string, from, until time.Time) (*rsa.PrivateKey, []byte) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func (a *Amazon) serve(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.seen = append(a.seen, r.Host+r.URL.RequestURI())
	a.mu.Unlock()
	switch {
	case a.Serve != nil:
		a.Serve(w, r)
	case strings.HasSuffix(r.URL.Path, ".pem"):
		_, _ = w.Write(a.Certificate)
	}
}

// Requests lists what was asked for so far: host and path with query.
func (a *Amazon) Requests() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.seen...)
}

// Message returns a message of the topic as SNS posts it now, with changes made
// before it is signed: pairs of a name and a value, of which "" takes the member
// away.
func (a *Amazon) Message(t testing.TB, kind, message string, changes ...string) string {
	t.Helper()
	m := map[string]string{
		"Type": kind, "MessageId": "7a1c-1", "TopicArn": Topic, "Message": message,
		"Timestamp": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), "SignatureVersion": "2", "SigningCertURL": CertURL,
	}
	if kind != "Notification" {
		m["Token"] = "0123abc"
		m["SubscribeURL"] = "https://" + Host + "/?Action=ConfirmSubscription&TopicArn=" + Topic + "&Token=0123abc"
	}
	for i := 0; i+1 < len(changes); i += 2 {
		m[changes[i]] = changes[i+1]
		if changes[i+1] == "" {
			delete(m, changes[i])
		}
	}
	var signed strings.Builder
	for _, name := range []string{"Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"} {
		if value, there := m[name]; there {
			signed.WriteString(name + "\n" + value + "\n")
		}
	}
	hash, sum := crypto.SHA256, sha256.Sum256([]byte(signed.String()))
	digest := sum[:]
	if m["SignatureVersion"] == "1" {
		old := sha1.Sum([]byte(signed.String()))
		hash, digest = crypto.SHA1, old[:]
	}
	signature, err := rsa.SignPKCS1v15(rand.Reader, a.Key, hash, digest)
	if err != nil {
		t.Fatal(err)
	}
	m["Signature"] = base64.StdEncoding.EncodeToString(signature)
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
