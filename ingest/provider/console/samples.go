package console

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strconv"
	"strings"
	"time"
)

func mailjet(b *builder) {
	b.json(array{object{
		"event": "sent", "time": b.now.Unix(), "MessageID": b.number(), "Message_GUID": b.id, "email": SampleRecipient,
		"mj_campaign_id": 0, "mj_contact_id": 0, "customcampaign": SampleCampaign, "CustomID": "", "Payload": "",
		"smtp_reply": "sent (250 2.0.0 OK)",
	}})
}

func sendgrid(b *builder) {
	b.json(array{object{
		"event": "delivered", "email": SampleRecipient, "timestamp": b.now.Unix(), "smtp-id": "<" + b.messageID() + ">",
		"sg_event_id": b.id, "sg_message_id": b.id + ".recvd-posthorn-1", "category": array{SampleCampaign}, "response": "250 2.0.0 OK",
	}})
	b.Body = append(b.Body, "\r\n"...)
	if b.key() != "" {
		b.Unsigned = "SendGrid signs with a private key that never leaves it; the source has the public key, which only verifies"
	}
}

func mailgun(b *builder) {
	timestamp, token := strconv.FormatInt(b.now.Unix(), 10), strings.Repeat(b.id, 3)
	b.json(object{
		"signature": object{"timestamp": timestamp, "token": token, "signature": hex.EncodeToString(sum256([]byte(b.key()), timestamp+token))},
		"event-data": object{
			"event": "delivered", "id": b.id, "timestamp": float64(b.now.Unix()), "recipient": SampleRecipient, "tags": array{SampleCampaign},
			"message":         object{"headers": object{"message-id": b.messageID(), "to": SampleRecipient, "subject": "Test"}},
			"delivery-status": object{"code": 250, "message": "OK", "attempt-no": 1}, "user-variables": object{},
		},
	})
}

func postmark(b *builder) {
	b.shown()
	b.json(object{
		"RecordType": "Delivery", "ServerID": 1, "MessageStream": "outbound", "MessageID": uuidOf(b.id), "Recipient": SampleRecipient,
		"Tag": SampleCampaign, "DeliveredAt": b.now.UTC().Format(time.RFC3339), "Details": "250 2.0.0 OK", "Metadata": object{},
	})
}

func brevo(b *builder) {
	b.shown()
	b.json(object{
		"event": "delivered", "email": SampleRecipient, "id": 1, "date": b.now.UTC().Format(time.DateTime), "ts": b.now.Unix(), "ts_event": b.now.Unix(),
		"ts_epoch": b.now.UnixMilli(), "message-id": "<" + b.messageID() + ">", "subject": "Test", "tags": array{SampleCampaign}, "sending_ip": "192.0.2.1",
	})
}

func sparkpost(b *builder) {
	b.shown()
	b.json(array{object{"msys": object{"message_event": object{
		"type": "delivery", "event_id": b.id, "message_id": b.id, "timestamp": strconv.FormatInt(b.now.Unix(), 10), "rcpt_to": SampleRecipient,
		"raw_rcpt_to": SampleRecipient, "campaign_id": SampleCampaign, "rcpt_meta": object{}, "rcpt_tags": array{}, "subject": "Test",
	}}}})
}

func mandrill(b *builder) {
	b.json(array{object{
		"event": "delivered", "_id": b.id, "ts": b.now.Unix(),
		"msg": object{
			"_id": b.id, "ts": b.now.Unix(), "email": SampleRecipient, "sender": "posthorn@posthorn.invalid", "subject": "Test", "state": "delivered",
			"tags": array{SampleCampaign}, "metadata": object{}, "opens": array{}, "clicks": array{},
		},
	}})
	const field = "mandrill_events"
	events := string(b.Body)
	b.Body = []byte(url.Values{field: {events}}.Encode())
	b.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if b.key() != "" {
		mac := hmac.New(sha1.New, []byte(strings.TrimSpace(b.key())))
		mac.Write([]byte(strings.TrimSpace(b.creds.URL) + field + events))
		b.Header.Set("X-Mandrill-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
}

func resend(b *builder) {
	b.json(object{
		"type": "email.delivered", "created_at": b.now.UTC().Format(time.RFC3339Nano),
		"data": object{
			"email_id": uuidOf(b.id), "created_at": b.now.UTC().Format(time.RFC3339Nano), "from": "posthorn@posthorn.invalid", "to": array{SampleRecipient},
			"subject": "Test", "tags": object{"campaign": SampleCampaign},
		},
	})
	b.standard("svix-")
}

func ses(b *builder) {
	at := b.now.UTC().Format("2006-01-02T15:04:05.000Z")
	b.Header.Set("Content-Type", "text/plain; charset=UTF-8")
	if len(b.creds.Topics) > 0 {
		b.Header.Set("X-Amz-Sns-Topic-Arn", b.creds.Topics[0])
	}
	b.Header.Set("X-Amz-Sns-Message-Type", "Notification")
	b.Header.Set("X-Amz-Sns-Message-Id", uuidOf(b.id))
	b.json(object{
		"eventType": "Delivery",
		"mail": object{
			"timestamp": at, "source": "posthorn@posthorn.invalid", "messageId": b.id, "destination": array{SampleRecipient},
			"tags": object{"campaign": array{SampleCampaign}},
		},
		"delivery": object{"timestamp": at, "recipients": array{SampleRecipient}, "processingTimeMillis": 1, "smtpResponse": "250 2.0.0 OK"},
	})
	if b.creds.Username == "" {
		b.Unsigned = "Amazon SNS signs with a private key that never leaves it"
	}
}

func standardWebhooks(b *builder) {
	at := b.now.UTC().Format(time.RFC3339)
	b.json(object{"type": "email.delivered", "timestamp": at, "data": b.native()})
	b.standard("webhook-")
}

func jsonEvents(b *builder) {
	b.json(b.native())
	if b.key() != "" {
		b.Header.Set(b.creds.Header, hex.EncodeToString(sum256([]byte(b.key()), string(b.Body))))
	}
}

func native(b *builder) {
	b.shown()
	b.json(b.native())
}

// native is an event in the words of posthorn.events.
func (b *builder) native() object {
	return object{
		"type": "delivered", "event_id": b.id, "message_id": b.id, "recipient": SampleRecipient, "campaign_id": SampleCampaign,
		"occurred_at": b.now.UTC().Format(time.RFC3339),
	}
}

// standard signs as of Standard Webhooks, in headers of this prefix.
func (b *builder) standard(prefix string) {
	key := strings.TrimSpace(b.key())
	text, encoded := strings.CutPrefix(key, "whsec_")
	secret := []byte(text)
	switch {
	case key == "":
		return
	case strings.HasPrefix(text, "whpk_"):
		b.Unsigned = "the source has a public key, which only verifies; the private one is the sender's"
		return
	case encoded:
		if raw, err := base64.RawStdEncoding.DecodeString(strings.NewReplacer("-", "+", "_", "/", "=", "").Replace(text)); err == nil {
			secret = raw
		}
	}
	id, timestamp := "msg_"+b.id, strconv.FormatInt(b.now.Unix(), 10)
	b.Header.Set(prefix+"id", id)
	b.Header.Set(prefix+"timestamp", timestamp)
	b.Header.Set(prefix+"signature", "v1,"+base64.StdEncoding.EncodeToString(sum256(secret, id+"."+timestamp+"."+string(b.Body))))
}

func sum256(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// uuidOf makes 16 hexadecimal digits a UUID.
func uuidOf(id string) string { return "00000000-0000-4000-" + id[:4] + "-" + id[4:] }
