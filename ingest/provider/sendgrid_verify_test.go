package provider

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sendgridSender signs as SendGrid does.
type sendgridSender struct {
	t   testing.TB
	key *ecdsa.PrivateKey
}

func newSendGridSender(t testing.TB) sendgridSender {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return sendgridSender{t, key}
}

// publicKey is the key as SendGrid shows it.
func publicKey(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

func (s sendgridSender) public() string { return publicKey(s.t, &s.key.PublicKey) }

// sign returns a request for a body.
func (s sendgridSender) sign(at time.Time, body string) *http.Request {
	s.t.Helper()
	timestamp := strconv.FormatInt(at.Unix(), 10)
	digest := sha256.Sum256([]byte(timestamp + body))
	signature, err := ecdsa.SignASN1(rand.Reader, s.key, digest[:])
	if err != nil {
		s.t.Fatal(err)
	}
	r := &http.Request{Header: http.Header{}}
	r.Header.Set(sendgridTimestamp, timestamp)
	r.Header.Set(sendgridSignature, base64.StdEncoding.EncodeToString(signature))
	return r
}

func TestSendGridSignature(t *testing.T) {
	const body = "[{\"event\":\"open\"}]\r\n"
	now := time.Unix(1772366400, 0)
	one, two, three := newSendGridSender(t), newSendGridSender(t), newSendGridSender(t)
	creds := Credentials{Keys: []string{one.public(), two.public()}}
	basic := creds
	basic.Username, basic.Passwords = "sg", []string{"pw"}
	for _, c := range []struct {
		name  string
		creds Credentials
		r     *http.Request
		body  string
		with  func(r *http.Request)
		says  string // Empty: accepted.
	}{
		{"first key", creds, one.sign(now, body), body, nil, ""},
		{"second key", creds, two.sign(now, body), body, nil, ""},
		{"unknown key", creds, three.sign(now, body), body, nil, "does not match"},
		{"changed body", creds, one.sign(now, body), strings.Replace(body, "open", "opem", 1), nil, "does not match"},
		{"trimmed body", creds, one.sign(now, body), strings.TrimSpace(body), nil, "does not match"},
		{"changed time", creds, one.sign(now, body), body, func(r *http.Request) { r.Header.Set(sendgridTimestamp, "1772366401") }, "does not match"},
		{"4 minutes old", creds, one.sign(now.Add(-4*time.Minute), body), body, nil, ""},
		{"stale", creds, one.sign(now.Add(-6*time.Minute), body), body, nil, "away from"},
		{"of the future", creds, one.sign(now.Add(6*time.Minute), body), body, nil, "away from"},
		{"no signature", creds, one.sign(now, body), body, func(r *http.Request) { r.Header.Del(sendgridSignature) }, sendgridSignature},
		{"no time", creds, one.sign(now, body), body, func(r *http.Request) { r.Header.Del(sendgridTimestamp) }, sendgridTimestamp},
		{"time in words", creds, one.sign(now, body), body, func(r *http.Request) { r.Header.Set(sendgridTimestamp, "noon") }, "no time in seconds"},
		{"not base64", creds, one.sign(now, body), body, func(r *http.Request) { r.Header.Set(sendgridSignature, "%") }, "not base64"},
		{"not ASN.1", creds, one.sign(now, body), body, func(r *http.Request) { r.Header.Set(sendgridSignature, "AAAA") }, "does not match"},
		{"with the password", basic, one.sign(now, body), body, func(r *http.Request) { r.SetBasicAuth("sg", "pw") }, ""},
		{"with another password", basic, one.sign(now, body), body, func(r *http.Request) { r.SetBasicAuth("sg", "px") }, "user or password"},
		{"with the password but unsigned", basic, one.sign(now, ""), body, func(r *http.Request) { r.SetBasicAuth("sg", "pw") }, "does not match"},
	} {
		v, err := SendGrid{}.Verifier(c.creds)
		if err != nil {
			t.Fatal(err)
		}
		if !v.SignsBody() {
			t.Errorf("%s: the body is not signed", c.name)
		}
		if c.with != nil {
			c.with(c.r)
		}
		shown, err := v.Verify(c.r, []byte(c.body), now)
		var refused *AuthError
		switch {
		case c.says == "" && (err != nil || shown.Scheme != SchemeECDSA):
			t.Errorf("%s: %+v, %v", c.name, shown, err)
		case c.says != "" && (!errors.As(err, &refused) || !strings.Contains(refused.Detail, c.says) || shown != Verified{}):
			t.Errorf("%s: %+v, %v, want a refusal that says %q", c.name, shown, err, c.says)
		}
	}
}

func TestSendGridUnsigned(t *testing.T) {
	for _, c := range []struct {
		creds  Credentials
		scheme string
	}{{Credentials{}, SchemeNone}, {Credentials{Username: "sg", Passwords: []string{"pw"}}, SchemeBasic}} {
		v, err := SendGrid{}.Verifier(c.creds)
		if err != nil {
			t.Fatal(err)
		}
		r := &http.Request{Header: http.Header{}}
		r.SetBasicAuth("sg", "pw")
		if shown, err := v.Verify(r, nil, time.Now()); err != nil || shown.Scheme != c.scheme {
			t.Errorf("%+v, %v, want %s", shown, err, c.scheme)
		}
	}
}

func TestSendGridCredentials(t *testing.T) {
	good := newSendGridSender(t)
	der, _ := base64.StdEncoding.DecodeString(good.public())
	armoured := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		creds Credentials
		field string // Empty: none is wrong.
	}{
		{"bare", Credentials{Keys: []string{good.public()}}, ""},
		{"in lines", Credentials{Keys: []string{" " + good.public()[:40] + "\n" + good.public()[40:] + "\r\n"}}, ""},
		{"PEM", Credentials{Keys: []string{armoured}}, ""},
		{"empty", Credentials{Keys: []string{""}}, "key"},
		{"words", Credentials{Keys: []string{"secret key"}}, "key"},
		{"base64 of nothing", Credentials{Keys: []string{"AAAA"}}, "key"},
		{"cut", Credentials{Keys: []string{base64.StdEncoding.EncodeToString(der[:len(der)-4])}}, "key"},
		{"RSA", Credentials{Keys: []string{publicKey(t, &rsaKey.PublicKey)}}, "key"},
		{"P-384", Credentials{Keys: []string{publicKey(t, &p384.PublicKey)}}, "key"},
		{"second is bad", Credentials{Keys: []string{good.public(), "x"}}, "key"},
		{"password without user", Credentials{Keys: []string{good.public()}, Passwords: []string{"pw"}}, "username"},
	} {
		_, err := SendGrid{}.Verifier(c.creds)
		var wrong *CredentialError
		if c.field == "" && err != nil || c.field != "" && (!errors.As(err, &wrong) || wrong.Field != c.field) {
			t.Errorf("%s: %v, want a fault of %q", c.name, err, c.field)
		}
	}
}

// TestSendGridVector verifies the published example where it is at hand.
func TestSendGridVector(t *testing.T) {
	all := samples(t, "_signatures")
	var vector struct {
		PublicKey string `json:"public_key"`
		Headers   map[string]string
	}
	if err := json.Unmarshal([]byte(all["sendgrid.json"]), &vector); err != nil {
		t.Fatal(err)
	}
	v, err := SendGrid{}.Verifier(Credentials{Keys: []string{vector.PublicKey}})
	if err != nil {
		t.Fatal(err)
	}
	r := &http.Request{Header: http.Header{}}
	for name, value := range vector.Headers {
		r.Header.Set(name, value)
	}
	body := all["sendgrid.body.raw"]
	at := time.Unix(1600112502, 0)
	if shown, err := v.Verify(r, []byte(body), at); err != nil || shown.Scheme != SchemeECDSA {
		t.Errorf("%+v, %v", shown, err)
	}
	if _, err := v.Verify(r, []byte(strings.TrimRight(body, "\r\n")), at); err == nil {
		t.Error("accepted without the end of its line")
	}
	if _, err := v.Verify(r, []byte(body), time.Now()); err == nil {
		t.Error("accepted years later")
	}
	if got := events(t, SendGrid{}, hook(SendGrid{}, "", body)); len(got) != 1 || got[0].RejectReason != "bounced" {
		t.Errorf("decodes to %+v", got)
	}
}

func FuzzSendGridVerify(f *testing.F) {
	s := newSendGridSender(f)
	now := time.Unix(1772366400, 0)
	r := s.sign(now, "x")
	f.Add(s.public(), r.Header.Get(sendgridTimestamp), r.Header.Get(sendgridSignature), []byte("x"))
	f.Add("-----BEGIN PUBLIC KEY-----", "-1", "====", []byte(nil))
	configured, err := SendGrid{}.Verifier(Credentials{Keys: []string{s.public()}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, key, timestamp, signature string, body []byte) {
		r := &http.Request{Header: http.Header{}}
		r.Header.Set(sendgridTimestamp, timestamp)
		r.Header.Set(sendgridSignature, signature)
		v, err := SendGrid{}.Verifier(Credentials{Keys: []string{key}})
		var wrong *CredentialError
		if err != nil && !errors.As(err, &wrong) {
			t.Fatalf("%v is no CredentialError", err)
		}
		for _, v := range []Verifier{v, configured} {
			if v == nil {
				continue
			}
			shown, err := v.Verify(r, body, now)
			var refused *AuthError
			if err == nil && shown.Scheme != SchemeECDSA || err != nil && !errors.As(err, &refused) {
				t.Fatalf("%+v, %v", shown, err)
			}
		}
	})
}
