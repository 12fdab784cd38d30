package provider

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
)

// SchemeSNS: Amazon SNS has signed the request.
const SchemeSNS = "sns"

// snsRetries is how long SNS tries to deliver a message at most, whatever policy
// its subscription has. A retry has the timestamp of the first try.
const snsRetries = time.Hour

// The only places that SNS signs from and confirms at. The whole URL is matched,
// so that no port, user, query or escape comes in between; a region as in
// eu-west-1, since sns.s3.amazonaws.com would be anybody's bucket.
var (
	snsCertURL    = regexp.MustCompile(`^https://sns\.[a-z]{2,4}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}\.amazonaws\.com(?:\.cn)?/SimpleNotificationService-[0-9A-Za-z]{1,64}\.pem$`)
	snsConfirmURL = regexp.MustCompile(`^https://sns\.[a-z]{2,4}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}\.amazonaws\.com(?:\.cn)?/\?[!-~]{1,1000}$`)
	snsTopic      = regexp.MustCompile(`^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]+:[A-Za-z0-9_-]{1,256}(?:\.fifo)?$`)
)

// snsVerifier checks that requests come from topics of Amazon SNS that are
// listed. That SNS signed a message alone says nothing: anybody can have it sign
// messages of a topic of their own.
//
// https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
type snsVerifier struct {
	topics []string
	certs  *certificates
	// basic: whoever comes here has shown user and password.
	basic bool
}

func newSNSVerifier(c Credentials) (Verifier, error) {
	switch {
	case len(c.Keys) > 0:
		return nil, &CredentialError{"key", "Amazon SNS signs with a key of its own: leave it out and list the topics"}
	case len(c.Topics) == 0:
		return nil, &CredentialError{"topics", "are missing: list the ARN of every SNS topic that posts here, since Amazon signs anybody's"}
	}
	for _, arn := range c.Topics {
		if !snsTopic.MatchString(arn) {
			return nil, &CredentialError{"topics", "have " + strings.ToValidUTF8(arn, "?") + ", which is no ARN of an SNS topic, like arn:aws:sns:eu-west-1:123456789012:mail"}
		}
	}
	return alsoBasic(c, &snsVerifier{topics: slices.Clone(c.Topics), certs: newCertificates(c.Client), basic: c.Username != ""})
}

func (*snsVerifier) SignsBody() bool { return true }

// Verify checks the signature in SNS's envelope. With raw message delivery there
// is neither: such a request is taken if user and password are configured, which
// it has shown then, and its header names a topic that is listed.
func (v *snsVerifier) Verify(r *http.Request, body []byte, now time.Time) (Verified, error) {
	root, err := jsonscan.Parse(bytes.TrimPrefix(body, byteOrderMark))
	if err != nil || root.Kind != jsonscan.Object {
		return Verified{}, forged("the body is no JSON object and so no message of Amazon SNS")
	}
	if lookup(root, "Type").Kind == jsonscan.Missing && lookup(root, "Message").Kind == jsonscan.Missing {
		return v.raw(r)
	}
	m, err := readSNS(root)
	if err != nil {
		return Verified{}, err
	}
	if err := v.listed(string(m.topicARN)); err != nil {
		return Verified{}, err
	}
	if err := m.fresh(now); err != nil {
		return Verified{}, err
	}
	confirm, err := m.confirmURL()
	if err != nil {
		return Verified{}, err
	}
	key, err := v.certs.key(r.Context(), string(m.certURL), now)
	if err != nil {
		return Verified{}, err
	}
	if err := m.check(key); err != nil {
		return Verified{}, err
	}
	shown := Verified{Scheme: SchemeSNS, Confirm: confirm}
	if string(m.kind) == "UnsubscribeConfirmation" {
		shown.Notice = "Amazon SNS has ended its subscription to " + string(m.topicARN) + ": subscribe this URL again if that was not meant"
	}
	return shown, nil
}

// raw accepts a body without envelope.
func (v *snsVerifier) raw(r *http.Request) (Verified, error) {
	if !v.basic {
		return Verified{}, forged("the body has no signature of Amazon SNS: turn raw message delivery off, or configure user and password for this source and put them into the subscription's URL")
	}
	if err := v.listed(r.Header.Get("X-Amz-Sns-Topic-Arn")); err != nil {
		return Verified{}, err
	}
	return Verified{Scheme: SchemeBasic}, nil
}

func (v *snsVerifier) listed(arn string) error {
	if slices.Contains(v.topics, arn) {
		return nil
	}
	return forged("the SNS topic %.300q is not one of the topics configured for this source", arn)
}

// snsMessage is what is signed, byte for byte, and what it is signed with.
type snsMessage struct {
	kind, id, message, subject, timestamp, token, subscribeURL, topicARN []byte
	hasSubject                                                           bool

	version, signature, certURL []byte
}

// readSNS reads an envelope. All that is signed must be text; and but for the
// message no line breaks, which keep the lines that are signed apart: with them
// the same lines could be read as another message.
func readSNS(root jsonscan.Value) (*snsMessage, error) {
	m := &snsMessage{}
	fields := []struct {
		name string
		to   *[]byte
	}{
		{"Type", &m.kind}, {"MessageId", &m.id}, {"Message", &m.message}, {"Timestamp", &m.timestamp}, {"TopicArn", &m.topicARN},
		{"SignatureVersion", &m.version}, {"Signature", &m.signature}, {"SigningCertURL", &m.certURL}, {"Subject", &m.subject},
		{"Token", &m.token}, {"SubscribeURL", &m.subscribeURL},
	}
	kind := textAt(root, "Type")
	switch kind {
	case "Notification":
		fields = fields[:9]
	case "SubscriptionConfirmation", "UnsubscribeConfirmation":
	default:
		return nil, forged("%.100q is no type of message of Amazon SNS", kind)
	}
	for _, f := range fields {
		v := lookup(root, f.name)
		switch {
		case f.name == "Subject" && v.Kind <= jsonscan.Null:
			continue
		case v.Kind != jsonscan.String:
			return nil, forged("the message of Amazon SNS has no %s, which is signed", f.name)
		}
		*f.to = v.Bytes()
		if f.name != "Message" && bytes.ContainsAny(*f.to, "\r\n") {
			return nil, forged("the message of Amazon SNS has a line break in %s", f.name)
		}
		m.hasSubject = m.hasSubject || f.name == "Subject"
	}
	return m, nil
}

// fresh refuses what is older than any retry can be.
func (m *snsMessage) fresh(now time.Time) error {
	at, err := time.Parse(time.RFC3339, string(m.timestamp))
	if err != nil {
		return forged("the timestamp %.40q is no time", m.timestamp)
	}
	if age := now.Sub(at); age > snsRetries+tolerance || age < -tolerance {
		return forged("the timestamp %s is %s away from this machine's clock, more than Amazon SNS takes to deliver: is this an old request, or a clock wrong?", m.timestamp, age.Round(time.Second).Abs())
	}
	return nil
}

// confirmURL returns what is to be fetched so that a subscription begins; a copy,
// which outlives the body.
func (m *snsMessage) confirmURL() (string, error) {
	if string(m.kind) != "SubscriptionConfirmation" {
		return "", nil
	}
	s := string(m.subscribeURL)
	if !snsConfirmURL.MatchString(s) {
		return "", forged("SubscribeURL is no address of Amazon SNS")
	}
	u, err := url.Parse(s)
	if err != nil || u.User != nil || u.Fragment != "" || u.Query().Get("Action") != "ConfirmSubscription" {
		return "", forged("SubscribeURL does not confirm a subscription")
	}
	return s, nil
}

// check checks the signature.
func (m *snsMessage) check(key *rsa.PublicKey) error {
	signature, err := base64.StdEncoding.DecodeString(string(m.signature))
	if err != nil {
		return forged("the signature is not base64")
	}
	text := m.signed()
	switch string(m.version) {
	case "1":
		sum := sha1.Sum(text)
		err = rsa.VerifyPKCS1v15(key, crypto.SHA1, sum[:], signature)
	case "2":
		sum := sha256.Sum256(text)
		err = rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature)
	default:
		return forged("the signature's version is %.20q; 1 and 2 are known", m.version)
	}
	if err != nil {
		return forged("the signature is not that of Amazon SNS for this message")
	}
	return nil
}

// signed returns the text that is signed: names and values a line each, in the
// order of their names.
func (m *snsMessage) signed() []byte {
	text := make([]byte, 0, len(m.message)+1024)
	add := func(name string, value []byte) {
		text = append(append(text, name...), '\n')
		text = append(append(text, value...), '\n')
	}
	notification := string(m.kind) == "Notification"
	add("Message", m.message)
	add("MessageId", m.id)
	if notification && m.hasSubject {
		add("Subject", m.subject)
	}
	if !notification {
		add("SubscribeURL", m.subscribeURL)
	}
	add("Timestamp", m.timestamp)
	if !notification {
		add("Token", m.token)
	}
	add("TopicArn", m.topicARN)
	add("Type", m.kind)
	return text
}
