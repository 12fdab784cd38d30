package provider

import "testing"

func TestSMTPReply(t *testing.T) {
	for _, c := range []struct {
		reply, enhanced string
		code            int32
	}{
		{"", "", 0},
		{"250 2.0.0 OK", "2.0.0", 250},
		{"sent (250 2.0.0 OK 1433333948 fa5si855896wjc.199 - gsmtp)", "2.0.0", 250},
		{"sent (250)", "", 250},
		{"550", "", 550},
		{"550-5.7.1 first line\n550 5.7.1 second", "5.7.1", 550},
		{"host mx.example[192.0.2.1] said: 554 5.7.1 <a@b>: blocked (in reply to RCPT TO command)", "5.7.1", 554},
		{"550 #5.1.0 Address rejected", "5.1.0", 550},
		{"SMTP error 451 4.3.0 try later", "4.3.0", 451},
		{"5.1.1 User unknown", "5.1.1", 0},
		{"250 5.1.1 of another class", "", 250},
		{"Connection timed out after 250 seconds", "", 0},
		{"192.0.2.1 refused", "", 0},
		{"250.1.2.3 refused", "", 0},
		{"5.6.7.8 refused", "", 0},
		{"Host or domain name not found", "", 0},
		{"599999", "", 0}, {"2", "", 0}, {"(", "", 0}, {"550 5.", "", 550}, {"550 5.1111.1", "", 550},
	} {
		if code, enhanced := smtpReply(c.reply); code != c.code || enhanced != c.enhanced {
			t.Errorf("%q: got %d %q, want %d %q", c.reply, code, enhanced, c.code, c.enhanced)
		}
	}
}
