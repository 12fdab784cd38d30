package clickhouse

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
)

// exception is an error as ClickHouse words it. Clients read the code from the
// text and from a header.
type exception struct {
	code int
	text string
}

func (e *exception) Error() string { return e.text }

// Codes of ClickHouse (src/Common/ErrorCodes.cpp) that the endpoint uses itself.
const (
	codeNotImplemented    = 48
	codeUnknownSetting    = 115
	codeTimeoutExceeded   = 159
	codeReadonly          = 164
	codeQueryTooLarge     = 229
	codeTooManyQueries    = 202
	codeSyntaxError       = 62
	codeCannotReadAllData = 33
	codeQueryCancelled    = 394
	codeTooManyBytes      = 396
	codeAuthentication    = 516
	codeUnknownException  = 1002
)

var codePattern = regexp.MustCompile(`^Code: (\d+)\.`)

// newException keeps the engine's text and reads its code.
func newException(text string) *exception {
	if match := codePattern.FindStringSubmatch(text); match != nil {
		if code, err := strconv.Atoi(match[1]); err == nil {
			return &exception{code: code, text: text}
		}
	}
	return exceptionf(codeUnknownException, "UNKNOWN_EXCEPTION", "%s", text)
}

// exceptionf words an exception of the endpoint's own.
func exceptionf(code int, name, format string, args ...any) *exception {
	return &exception{code: code, text: fmt.Sprintf("Code: %d. DB::Exception: %s. (%s)", code, fmt.Sprintf(format, args...), name)}
}

// status is the HTTP status ClickHouse gives an exception.
func (e *exception) status() int {
	switch e.code {
	case 6, 7, 8, 9, 10, 27, 34, 36, 38, 41, 43, 47, 53, codeSyntaxError, 69, 70, 72, 386, 456, 457:
		return http.StatusBadRequest
	case 46, 50, 60, 81, codeUnknownSetting:
		return http.StatusNotFound
	case codeReadonly, 291, 497, codeAuthentication:
		return http.StatusForbidden
	case codeQueryTooLarge:
		return http.StatusRequestEntityTooLarge
	case codeTimeoutExceeded:
		return http.StatusRequestTimeout
	case codeNotImplemented:
		return http.StatusNotImplemented
	case codeTooManyQueries:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
