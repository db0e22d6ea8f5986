// Check what our log says of itself with the Go project's own packages, and answer how many checks held.
//
// It reads JSON from standard input: notes, and roots, inclusion and consistency proofs, each with whether it is good.
// What Go finds otherwise goes to standard error, and the exit status is 1.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type record struct {
	Index, Size int64
	Root, Leaf  []byte
	Proof       [][]byte
	Good        bool
}

type tree struct {
	Old, New         int64
	OldRoot, NewRoot []byte
	Proof            [][]byte
	Good             bool
}

type signed struct {
	Note, Key string
	Good      bool
}

type asked struct {
	Records []record
	Trees   []tree
	Notes   []signed
}

func hash(b []byte) (h tlog.Hash) {
	if copy(h[:], b) != tlog.HashSize || len(b) != tlog.HashSize {
		panic("a hash of another size")
	}
	return h
}

func hashes(bs [][]byte) (hs []tlog.Hash) {
	for _, b := range bs {
		hs = append(hs, hash(b))
	}
	return hs
}

func opens(s signed) error {
	v, err := note.NewVerifier(s.Key)
	if err == nil {
		_, err = note.Open([]byte(s.Note), note.VerifierList(v))
	}
	return err
}

func main() {
	var all asked
	if err := json.NewDecoder(os.Stdin).Decode(&all); err != nil {
		panic(err)
	}
	held, failed := 0, 0
	judge := func(what string, good bool, err error) {
		if good == (err == nil) {
			held++
			return
		}
		failed++
		fmt.Fprintln(os.Stderr, what, "good:", good, "Go says:", err)
	}
	for _, r := range all.Records {
		err := tlog.CheckRecord(tlog.RecordProof(hashes(r.Proof)), r.Size, hash(r.Root), r.Index, hash(r.Leaf))
		judge(fmt.Sprintf("record %d of %d", r.Index, r.Size), r.Good, err)
	}
	for _, t := range all.Trees {
		err := tlog.CheckTree(tlog.TreeProof(hashes(t.Proof)), t.New, hash(t.NewRoot), t.Old, hash(t.OldRoot))
		judge(fmt.Sprintf("tree %d to %d", t.Old, t.New), t.Good, err)
	}
	for _, s := range all.Notes {
		judge(fmt.Sprintf("note %q", s.Note), s.Good, opens(s))
	}
	fmt.Println(held)
	if failed > 0 {
		os.Exit(1)
	}
}
