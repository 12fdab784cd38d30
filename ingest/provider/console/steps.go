package console

import (
	"fmt"
	"net/url"
	"strings"
)

// given says how a key is given to a provider, or in the words for a password.
func given(s Setup, password string) string {
	switch s.Way {
	case Bearer:
		return fmt.Sprintf("Authentication: a token, with the value %s, which is sent as Authorization: Bearer.", s.Key)
	case Header:
		return fmt.Sprintf("Add a header %s with the value %s.", s.Header, s.Key)
	}
	return password
}

// signedBy says which key must be the source's.
func signedBy(s Setup, key string) string {
	if s.Way == Signature {
		return fmt.Sprintf("The source's key, in %s, must be %s.", s.KeyFile, key)
	}
	return fmt.Sprintf("Better than a password alone: put %s into a file, and add \"key: {file: %s.key}\" to the source.", key, s.Name)
}

// signedWith formats how a generated key is given to a sender.
func signedWith(s Setup, format string) string {
	if s.Way != Signature {
		return "The user and password stand in the URL."
	}
	key := s.Key
	if key == "" {
		key = "that is kept"
	}
	return fmt.Sprintf(format, key, s.KeyFile)
}

func list(topics []string) string { return strings.Join(topics, ", ") }

// origin is scheme and host of a URL.
func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Scheme + "://" + u.Host
}
