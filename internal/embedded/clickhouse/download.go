package clickhouse

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// download completes the archive at path, from where an earlier download
// stopped, and checks it.
func (f *fetcher) download(ctx context.Context, path string) error {
	resumed, err := f.complete(ctx, path)
	if err != nil {
		return err
	}
	err = f.checkArchive(path)
	if err == nil || !resumed {
		return err
	}
	// What was there may be the fault: once more from the start.
	f.Logger.Warn("downloading ClickHouse again from the start", "reason", err)
	if _, err := f.complete(ctx, path); err != nil {
		return err
	}
	return f.checkArchive(path)
}

// complete downloads what is missing, and tells whether anything was there.
func (f *fetcher) complete(ctx context.Context, path string) (resumed bool, err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return false, fmt.Errorf("opening the download: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return false, fmt.Errorf("opening the download: %w", err)
	}
	have := info.Size()
	resumed = have > 0
	if have == f.archiveSize {
		return resumed, nil
	}
	address, err := f.Resolve(ctx, f.name, f.version)
	if err != nil {
		return resumed, err
	}
	f.Logger.Info("downloading ClickHouse, once for this user",
		"version", libraryVersion, "download_mb", f.archiveSize/1e6, "unpacked_mb", f.librarySize/1e6, "done_mb", have/1e6, "from", cleanURL(address), "to", f.dir)
	pause := f.pause
	for attempt := 1; ; attempt++ {
		err := f.attempt(ctx, address, file)
		var final *finalError
		if err == nil || ctx.Err() != nil || attempt == f.attempts || errors.As(err, &final) {
			return resumed, err
		}
		f.Logger.Warn("the download of ClickHouse stopped and is tried again", "attempt", attempt, "error", err)
		select {
		case <-ctx.Done():
			return resumed, ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, 30*time.Second)
	}
}

// finalError is one that trying again won't mend.
type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }

// attempt is one request for the rest of the archive.
func (f *fetcher) attempt(ctx context.Context, address string, file *os.File) error {
	have, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return &finalError{fmt.Errorf("writing the download: %w", err)}
	}
	if have > f.archiveSize {
		have = 0
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(f.stall, func() { cancel(fmt.Errorf("nothing came for %v", f.stall)) })
	defer watchdog.Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return &finalError{fmt.Errorf("downloading: %w", err)}
	}
	if have > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	answer, err := f.Client.Do(request)
	if err != nil {
		return fmt.Errorf("downloading: %w", errors.Join(context.Cause(ctx), err))
	}
	defer answer.Body.Close()
	switch {
	case answer.StatusCode == http.StatusPartialContent && strings.HasPrefix(answer.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", have)):
	case answer.StatusCode == http.StatusOK:
		have = 0 // the server sends all of it
	case answer.StatusCode >= 500, answer.StatusCode == http.StatusTooManyRequests:
		return fmt.Errorf("downloading: the server answered %s", answer.Status)
	default:
		return &finalError{fmt.Errorf("downloading from %s: the server answered %s", cleanURL(address), answer.Status)}
	}
	if err := errors.Join(file.Truncate(have), seek(file, have)); err != nil {
		return &finalError{fmt.Errorf("writing the download: %w", err)}
	}
	buffer := make([]byte, 256<<10)
	for {
		n, err := answer.Body.Read(buffer)
		watchdog.Reset(f.stall)
		if have += int64(n); have > f.archiveSize {
			return &finalError{fmt.Errorf("downloading: the archive is larger than the expected %d bytes", f.archiveSize)}
		}
		if _, err := file.Write(buffer[:n]); err != nil {
			return &finalError{fmt.Errorf("writing the download: %w", err)}
		}
		if f.Progress != nil && n > 0 {
			f.Progress(have, f.archiveSize)
		}
		switch {
		case err == io.EOF && have < f.archiveSize:
			return fmt.Errorf("downloading: it ended after %d of %d bytes", have, f.archiveSize)
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("downloading: %w", errors.Join(context.Cause(ctx), err))
		}
	}
}

func seek(file *os.File, to int64) error {
	_, err := file.Seek(to, io.SeekStart)
	return err
}

// checkArchive compares the archive with its pinned checksum; a wrong one is
// removed, so that the next download begins anew.
func (f *fetcher) checkArchive(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("checking the download: %w", err)
	}
	defer file.Close()
	sum := sha512.New()
	if _, err := io.Copy(sum, file); err != nil {
		return fmt.Errorf("checking the download: %w", err)
	}
	if got := base64.StdEncoding.EncodeToString(sum.Sum(nil)); got != f.archiveSHA512 {
		return errors.Join(fmt.Errorf("checking the download: it has checksum sha512-%s, not the pinned sha512-%s", got, f.archiveSHA512), os.Remove(path))
	}
	return nil
}
