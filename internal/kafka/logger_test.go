package kafka

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestLogLevels(t *testing.T) {
	tests := map[string]struct {
		level slog.Level
		want  kgo.LogLevel
		lines []string
	}{
		"debug shows information": {slog.LevelDebug, kgo.LogLevelInfo, []string{"level=DEBUG msg=\"kafka: joined\"", "level=WARN", "level=ERROR"}},
		"info hides it":           {slog.LevelInfo, kgo.LogLevelWarn, []string{"level=WARN", "level=ERROR"}},
		"errors only":             {slog.LevelError, kgo.LogLevelError, []string{"level=ERROR"}},
		"nothing":                 {slog.LevelError + 1, kgo.LogLevelNone, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			a := slogAdapter{slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: tt.level}))}
			if got := a.Level(); got != tt.want {
				t.Errorf("level %v, want %v", got, tt.want)
			}
			a.Log(kgo.LogLevelInfo, "joined", "group", "g")
			a.Log(kgo.LogLevelWarn, "slow", "broker", 1)
			a.Log(kgo.LogLevelError, "gone", "broker", 1)
			if got := strings.Count(out.String(), "\n"); got != len(tt.lines) {
				t.Errorf("%d lines, want %d:\n%s", got, len(tt.lines), &out)
			}
			for _, l := range tt.lines {
				if !strings.Contains(out.String(), l) {
					t.Errorf("no %s in:\n%s", l, &out)
				}
			}
		})
	}
}
