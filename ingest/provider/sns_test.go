package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posthorn/posthorn/ingest/provider/snstest"
	"github.com/posthorn/posthorn/internal/publicnet"
)

func snsVerifierOf(t testing.TB, c Credentials) Verifier {
	t.Helper()
	v, err := SES{}.Verifier(c)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// snsVerify returns what a body has shown, and which kind of error it got.
func snsVerify(v Verifier, body string, now time.Time, headers ...string) (Verified, string, error) {
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	shown, err := v.Verify(r, []byte(body), now)
	var refused *AuthError
	switch {
	case err == nil:
		return shown, "taken", nil
	case errors.As(err, &refused):
		return shown, "refused", err
	}
	return shown, "later", err
}

func TestSNSSignatures(t *testing.T) {
	a := snstest.New(t)
	v := snsVerifierOf(t, Credentials{Topics: []string{"arn:aws:sns:eu-west-1:123456789012:other", snstest.Topic}, Client: a.Client})
	now := time.Now()
	note := func(changes ...string) string { return a.Message(t, "Notification", "{\"a\":\n\"ü\"}\n", changes...) }
	stamp := func(age time.Duration) string { return now.Add(-age).UTC().Format("2006-01-02T15:04:05.000Z") }
	good := note()
	for _, c := range []struct{ name, body, want string }{
		{"version 2", good, "taken"},
		{"version 1", note("SignatureVersion", "1"), "taken"},
		{"with a subject", note("Subject", "Amazon SES Email Event Notification"), "taken"},
		{"first try an hour ago", note("Timestamp", stamp(time.Hour)), "taken"},
		{"clock a little behind", note("Timestamp", stamp(-4*time.Minute)), "taken"},
		{"end of a subscription", a.Message(t, "UnsubscribeConfirmation", "You have chosen to deactivate"), "taken"},
		{"null subject", strings.Replace(good, `{"`, `{"Subject":null,"`, 1), "taken"},

		{"another topic", note("TopicArn", "arn:aws:sns:eu-west-1:123456789012:mine"), "refused"},
		{"topic of another case", note("TopicArn", strings.ToUpper(snstest.Topic)), "refused"},
		{"too old", note("Timestamp", stamp(66*time.Minute)), "refused"},
		{"of the future", note("Timestamp", stamp(-6*time.Minute)), "refused"},
		{"no time", note("Timestamp", "yesterday"), "refused"},
		{"version 3", note("SignatureVersion", "3"), "refused"},
		{"no version", note("SignatureVersion", ""), "refused"},
		{"version 1 as 2", strings.Replace(good, `"SignatureVersion":"2"`, `"SignatureVersion":"1"`, 1), "refused"},
		{"another type", note("Type", "Order"), "refused"},
		{"changed message", strings.Replace(good, "ü", "u", 1), "refused"},
		{"changed id", strings.Replace(good, "7a1c-1", "7a1c-2", 1), "refused"},
		{"subject added", strings.Replace(good, `{"`, `{"Subject":"x","`, 1), "refused"},
		{"subject taken away", strings.Replace(note("Subject", "x"), `"Subject":"x",`, ``, 1), "refused"},
		{"line break in the id", note("MessageId", "a\nb"), "refused"},
		{"message that is no text", strings.Replace(good, `"Message":"`, `"Message":{},"X":"`, 1), "refused"},
		{"no signature", strings.Replace(good, `"Signature"`, `"Signatur"`, 1), "refused"},
		{"signature that is not base64", strings.Replace(good, `"Signature":"`, `"Signature":"!`, 1), "refused"},
		{"signature of another length", strings.Replace(good, `"Signature":"`, `"Signature":"AAAA`, 1), "refused"},
		{"empty", ``, "refused"}, {"not JSON", `hello`, "refused"}, {"no object", `[]`, "refused"}, {"nothing in it", `{}`, "refused"},
		{"raw without user and password", `{"eventType":"Open"}`, "refused"},
	} {
		shown, got, err := snsVerify(v, c.body, now, "X-Amz-Sns-Topic-Arn", snstest.Topic)
		if got != c.want {
			t.Errorf("%s: %s, %v", c.name, got, err)
		}
		if got == "taken" && (shown.Scheme != SchemeSNS || shown.Confirm != "") || got != "taken" && shown != (Verified{}) {
			t.Errorf("%s: shown %+v", c.name, shown)
		}
		if (shown.Notice != "") != (c.name == "end of a subscription") {
			t.Errorf("%s: notice %q", c.name, shown.Notice)
		}
	}
	if all := a.Requests(); len(all) != 1 {
		t.Errorf("the certificate was fetched %d times: %q", len(all), all)
	}
}

// TestSNSAddresses: nothing is fetched from, nor confirmed at, any other place.
func TestSNSAddresses(t *testing.T) {
	a := snstest.New(t)
	v := snsVerifierOf(t, Credentials{Topics: []string{snstest.Topic}, Client: a.Client})
	for _, bad := range []string{
		"http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
		"https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-1.pem",
		"https://user@sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
		"https://evil.example/SimpleNotificationService-1.pem",
		"https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-1.pem",
		"https://evil.example/sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
		"https://evil.example#sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
		"https://sns.s3.amazonaws.com/SimpleNotificationService-1.pem",
		"https://sns.s3-eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
		"https://s3.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
		"https://sns.eu-west-1.amazonaws.com/other/SimpleNotificationService-1.pem",
		"https://sns.eu-west-1.amazonaws.com/../SimpleNotificationService-1.pem",
		"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem?x=.pem",
		"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem#",
		"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-%31.pem",
		"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem/",
		"https://127.0.0.1/SimpleNotificationService-1.pem", "", "https://",
		"HTTPS://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
		"https://sns.eu-west-1.amazonaws.com\\@evil.example/SimpleNotificationService-1.pem",
	} {
		if _, got, _ := snsVerify(v, a.Message(t, "Notification", "x", "SigningCertURL", bad), time.Now()); got != "refused" {
			t.Errorf("certificate of %q: %s", bad, got)
		}
		confirm := strings.Replace(bad, "SimpleNotificationService-1.pem", "?Action=ConfirmSubscription&Token=1", 1)
		if strings.HasSuffix(bad, "com/SimpleNotificationService-1.pem?x=.pem") {
			confirm = "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe&Token=1"
		}
		if strings.HasPrefix(confirm, "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription") {
			confirm += "#x"
		}
		if shown, got, _ := snsVerify(v, a.Message(t, "SubscriptionConfirmation", "x", "SubscribeURL", confirm), time.Now()); got != "refused" || shown.Confirm != "" {
			t.Errorf("confirmation at %q: %s", confirm, got)
		}
	}
	if all := a.Requests(); len(all) > 0 {
		t.Errorf("fetched %q", all)
	}
	for _, host := range []string{"sns.us-east-1.amazonaws.com", "sns.cn-north-1.amazonaws.com.cn", "sns.us-gov-west-1.amazonaws.com", "sns.ap-southeast-2.amazonaws.com"} {
		if _, got, err := snsVerify(v, a.Message(t, "Notification", "x", "SigningCertURL", "https://"+host+"/SimpleNotificationService-0aB.pem"), time.Now()); got != "taken" {
			t.Errorf("%s: %s, %v", host, got, err)
		}
	}
	shown, got, err := snsVerify(v, a.Message(t, "SubscriptionConfirmation", "x"), time.Now())
	if want := "https://" + snstest.Host + "/?Action=ConfirmSubscription&TopicArn=" + snstest.Topic + "&Token=0123abc"; got != "taken" || shown.Confirm != want {
		t.Errorf("confirmation: %s, %q, %v", got, shown.Confirm, err)
	}
}

// TestSNSRawDelivery: without a signature, user and password and the topic have to
// do; and a signed form is checked all the same.
func TestSNSRawDelivery(t *testing.T) {
	a := snstest.New(t)
	v := snsVerifierOf(t, Credentials{Topics: []string{snstest.Topic}, Username: "u", Passwords: []string{"old", "new"}, Client: a.Client})
	basic := func(user, password string) string {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.SetBasicAuth(user, password)
		return r.Header.Get("Authorization")
	}
	raw := `{"eventType":"Open"}`
	forgedConfirmation := strings.Replace(a.Message(t, "SubscriptionConfirmation", "x"), `"Signature":"`, `"Signature":"AAAA`, 1)
	for _, c := range []struct {
		name, body, password, topic string
		want, scheme                string
	}{
		{"raw", raw, "new", snstest.Topic, "taken", SchemeBasic},
		{"raw, old password", raw, "old", snstest.Topic, "taken", SchemeBasic},
		{"raw, wrong password", raw, "x", snstest.Topic, "refused", ""},
		{"raw, another topic", raw, "new", snstest.Topic + "2", "refused", ""},
		{"raw, no topic", raw, "new", "", "refused", ""},
		{"signed", a.Message(t, "Notification", "x"), "new", "", "taken", SchemeSNS},
		{"signed, wrong password", a.Message(t, "Notification", "x"), "x", "", "refused", ""},
		{"forged confirmation", forgedConfirmation, "new", snstest.Topic, "refused", ""},
		{"confirmation in the words of raw", `{"Type":"SubscriptionConfirmation","SubscribeURL":"https://evil.example/"}`, "new", snstest.Topic, "refused", ""},
	} {
		shown, got, err := snsVerify(v, c.body, time.Now(), "Authorization", basic("u", c.password), "X-Amz-Sns-Topic-Arn", c.topic, "X-Amz-Sns-Rawdelivery", "true")
		if got != c.want || shown.Scheme != c.scheme || shown.Confirm != "" {
			t.Errorf("%s: %s %+v, %v", c.name, got, shown, err)
		}
	}
	// SNS shows user and password once it was asked for them.
	_, _, err := snsVerify(v, raw, time.Now())
	var refused *AuthError
	if !errors.As(err, &refused) || refused.Challenge == "" {
		t.Errorf("without credentials: %v", err)
	}
}

func TestSNSCredentials(t *testing.T) {
	topics := []string{snstest.Topic}
	for _, c := range []struct {
		field string
		creds Credentials
	}{
		{"topics", Credentials{}},
		{"topics", Credentials{Username: "u", Passwords: []string{"p"}}},
		{"topics", Credentials{Topics: []string{"mail"}}},
		{"topics", Credentials{Topics: []string{snstest.Topic, ""}}},
		{"topics", Credentials{Topics: []string{"arn:aws:sqs:eu-west-1:123456789012:mail"}}},
		{"key", Credentials{Topics: topics, Keys: []string{"k"}}},
		{"username", Credentials{Topics: topics, Passwords: []string{"p"}}},
	} {
		_, err := SES{}.Verifier(c.creds)
		var wrong *CredentialError
		if !errors.As(err, &wrong) || wrong.Field != c.field || wrong.Problem == "" {
			t.Errorf("%+v: %v", c.creds, err)
		}
	}
}

// TestSNSCertificates: what is no certificate of SNS is refused, and what can't be
// told now is to be sent again.
func TestSNSCertificates(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name string
		set  func(a *snstest.Amazon)
		want string
	}{
		{"another name", func(a *snstest.Amazon) {
			a.Key, a.Certificate = snstest.Certificate(t, "sns.example.com", now.Add(-time.Hour), now.Add(time.Hour))
		}, "refused"},
		{"expired", func(a *snstest.Amazon) {
			a.Key, a.Certificate = snstest.Certificate(t, "sns.amazonaws.com", now.Add(-2*time.Hour), now.Add(-time.Hour))
		}, "refused"},
		{"not valid yet", func(a *snstest.Amazon) {
			a.Key, a.Certificate = snstest.Certificate(t, "sns.amazonaws.com", now.Add(time.Hour), now.Add(2*time.Hour))
		}, "refused"},
		{"another key", func(a *snstest.Amazon) {
			_, a.Certificate = snstest.Certificate(t, "sns.amazonaws.com", now.Add(-time.Hour), now.Add(time.Hour))
		}, "refused"},
		{"name of a region", func(a *snstest.Amazon) {
			a.Key, a.Certificate = snstest.Certificate(t, "sns.cn-north-1.amazonaws.com.cn", now.Add(-time.Hour), now.Add(time.Hour))
		}, "taken"},
		{"not PEM", func(a *snstest.Amazon) { a.Certificate = []byte("hello") }, "refused"},
		{"not a certificate", func(a *snstest.Amazon) {
			a.Certificate = []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
		}, "refused"},
		{"endless", func(a *snstest.Amazon) { a.Certificate = append(a.Certificate, make([]byte, 1<<20)...) }, "refused"},
		{"not there", func(a *snstest.Amazon) { a.Serve = http.NotFound }, "refused"},
		{"redirect", func(a *snstest.Amazon) {
			a.Serve = func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://evil.example/", http.StatusFound)
			}
		}, "later"},
		{"server trouble", func(a *snstest.Amazon) {
			a.Serve = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
		}, "later"},
		{"too busy", func(a *snstest.Amazon) {
			a.Serve = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }
		}, "later"},
		{"broken off", func(a *snstest.Amazon) {
			a.Serve = func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
		}, "later"},
	} {
		a := snstest.New(t)
		c.set(a)
		v := snsVerifierOf(t, Credentials{Topics: []string{snstest.Topic}, Client: a.Client})
		if _, got, err := snsVerify(v, a.Message(t, "Notification", "x"), now); got != c.want {
			t.Errorf("%s: %s, %v", c.name, got, err)
		}
		for _, asked := range a.Requests() {
			if !strings.HasPrefix(asked, snstest.Host) {
				t.Errorf("%s: asked %s", c.name, asked)
			}
		}
	}
}

// TestSNSCertificateOnce: who needs the same certificate at once shares one fetch;
// of those who name others, few fetch at once, and those that wait in vain are not
// told that they are forged.
func TestSNSCertificateOnce(t *testing.T) {
	a := snstest.New(t)
	release := make(chan struct{})
	a.Serve = func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = w.Write(a.Certificate)
	}
	v := snsVerifierOf(t, Credentials{Topics: []string{snstest.Topic}, Client: a.Client})
	body := a.Message(t, "Notification", "x")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, got, err := snsVerify(v, body, time.Now()); got != "taken" {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequest(http.MethodPost, "/", nil).WithContext(gone)
	if _, err := v.Verify(r, []byte(body), time.Now()); !errors.Is(err, context.Canceled) {
		t.Errorf("caller that is gone: %v", err)
	}
	close(release)
	wg.Wait()
	if _, got, _ := snsVerify(v, body, time.Now()); got != "taken" {
		t.Error(got)
	}
	if n := len(a.Requests()); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

// TestSNSCertificatesAreBounded: a regional certificate too many drops another.
func TestSNSCertificatesAreBounded(t *testing.T) {
	c := newCertificates(nil)
	for i := range 3 * maxCerts {
		c.keep(strings.Repeat("x", i), nil)
		if len(c.known) > maxCerts {
			t.Fatalf("%d certificates", len(c.known))
		}
	}
}

// TestSNSFetchesFromPublicAddressesOnly: by default nothing on this machine or in
// its network is called, whatever the name resolves to.
func TestSNSFetchesFromPublicAddressesOnly(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	_, err := newCertificates(nil).client.Get(server.URL)
	if !errors.Is(err, publicnet.ErrRefused) {
		t.Errorf("got %v", err)
	}
}

// TestSNSVectors checks published vectors where they are at hand.
func TestSNSVectors(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "fixtures", "_signatures")
	cert, err := os.ReadFile(filepath.Join(dir, "sns.cert.pem"))
	if err != nil {
		t.Skip("the published vectors are not beside this repository")
	}
	a := snstest.New(t)
	a.Certificate = cert
	v := snsVerifierOf(t, Credentials{Topics: []string{"arn:aws:sns:us-east-1:123456789012:ses-events"}, Client: a.Client})
	for file, at := range map[string]time.Time{
		"sns_notification_v1.json":              time.Date(2026, 3, 26, 17, 59, 0, 0, time.UTC),
		"sns_notification_v2.json":              time.Date(2026, 3, 26, 18, 58, 0, 0, time.UTC),
		"sns_subscription_confirmation_v2.json": time.Date(2026, 4, 26, 20, 45, 10, 0, time.UTC),
	} {
		body, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		shown, got, err := snsVerify(v, string(body), at)
		if got != "taken" || (shown.Confirm != "") != strings.Contains(file, "confirmation") {
			t.Errorf("%s: %s %+v, %v", file, got, shown, err)
		}
		if _, got, _ := snsVerify(v, string(body), at.Add(2*time.Hour)); got != "refused" {
			t.Errorf("%s, stale: %s", file, got)
		}
		if _, got, _ := snsVerify(v, strings.Replace(string(body), `"Message": "`, `"Message": " `, 1), at); got != "refused" {
			t.Errorf("%s, changed: %s", file, got)
		}
	}
}

// FuzzSNS: no body makes the verifier panic, and none that was not signed passes.
func FuzzSNS(f *testing.F) {
	a := snstest.New(f)
	v := snsVerifierOf(f, Credentials{Topics: []string{snstest.Topic}, Client: a.Client})
	good := a.Message(f, "Notification", "x")
	for _, s := range []string{good, a.Message(f, "SubscriptionConfirmation", "x"), `{}`, `{"Type":"Notification","Message":"x"}`, strings.Replace(good, `"x"`, `"y"`, 1), `{"Type":7}`} {
		f.Add([]byte(s))
	}
	now := time.Now()
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		shown, err := v.Verify(r, body, now)
		if err != nil {
			return
		}
		var m map[string]any
		if err := json.Unmarshal(bytes.TrimPrefix(body, byteOrderMark), &m); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if shown.Scheme != SchemeSNS || m["Message"] != "x" || m["TopicArn"] != snstest.Topic || (m["Type"] == "Notification") != (shown.Confirm == "") {
			t.Fatalf("%+v for %s", shown, body)
		}
	})
}
