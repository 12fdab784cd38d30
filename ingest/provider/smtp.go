package provider

import "strings"

// smtpReply finds the reply code (250, 421, 550 ...) and the enhanced status
// code (RFC 3463: 5.1.1) in what a mail server answered, wherever the provider
// has put it: "550 5.1.1 ...", "sent (250 2.0.0 ...)", "host said: 421-4.7.0".
func smtpReply(s string) (code int32, enhanced string) {
	if e := enhancedAt(s, 0); e != "" {
		return 0, e
	}
	for i := 0; i+3 <= len(s); i++ {
		if !isReplyCode(s[i:]) || i > 0 && !opensReply(s[:i]) {
			continue
		}
		code = int32(s[i]-'0')*100 + int32(s[i+1]-'0')*10 + int32(s[i+2]-'0')
		if i+4 <= len(s) && s[i+3] != ')' {
			if e := enhancedAt(s, i+4); e != "" && e[0] == s[i] {
				enhanced = e
			}
		}
		return code, enhanced
	}
	return 0, ""
}

// isReplyCode tells whether s starts with a reply code and its delimiter.
func isReplyCode(s string) bool {
	if s[0] != '2' && s[0] != '4' && s[0] != '5' || s[1] < '0' || s[1] > '5' || s[2] < '0' || s[2] > '9' {
		return false
	}
	return len(s) == 3 || strings.IndexByte(" -)\t\r\n:;,", s[3]) >= 0
}

// opensReply tells whether a reply may begin after s. A number elsewhere in a
// sentence ("after 250 seconds") is none.
func opensReply(s string) bool {
	trimmed := strings.TrimRight(s, " \t\r\n")
	if trimmed == "" || strings.IndexByte(":;([\"'", trimmed[len(trimmed)-1]) >= 0 {
		return true
	}
	if len(trimmed) == len(s) {
		return false
	}
	for _, word := range [...]string{"code", "error", "status", "said", "reply", "SMTP"} {
		if strings.HasSuffix(trimmed, word) {
			return true
		}
	}
	return false
}

// enhancedAt returns the enhanced status code that stands at i, or "".
func enhancedAt(s string, i int) string {
	for i < len(s) && (s[i] == ' ' || s[i] == '#') {
		i++
	}
	start := i
	if i >= len(s) || s[i] != '2' && s[i] != '4' && s[i] != '5' {
		return ""
	}
	i++
	for range 2 {
		if i >= len(s) || s[i] != '.' {
			return ""
		}
		i++
		from := i
		for i < len(s) && i-from < 3 && '0' <= s[i] && s[i] <= '9' {
			i++
		}
		if i == from {
			return ""
		}
	}
	if i < len(s) && (s[i] == '.' || '0' <= s[i] && s[i] <= '9') {
		return "" // An IP address, or something else longer.
	}
	return s[start:i]
}
