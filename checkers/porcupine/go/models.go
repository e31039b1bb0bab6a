package main

import (
	"encoding/binary"
	"fmt"
	"sort"
	"strings"

	"github.com/anishathalye/porcupine"
)

// function says what an operation does.
type function uint8

const (
	read function = iota
	write
	cas
	appendText
	add
	remove
	contains
	members
	enqueue
	dequeue
	increment
	total
	acquire
	release
)

// Op is an operation with its result: the input of a step. The outcome of an open one is unknown; it is placed where
// it can do no harm, at the latest behind all others.
type Op struct {
	f    function
	a, b int32
	n    int64
	// Strings of kv, beside their numbers in a and b.
	text, next string

	open  bool
	index int64
	told  string
}

// state of a lock: holder is -1 where it is free.
type held struct {
	holder, token int64
	known         bool
}

// bag is a multiset: its sorted elements, and how many of them open operations took without anyone knowing which.
type bag struct {
	elements string
	debts    int
}

type step = func(state any, op *Op) (bool, any)

// modelNamed makes one of quorate's own models over interned values.
func modelNamed(name string, values *Values) (porcupine.Model, error) {
	initial, step := start(name, values)
	if step == nil {
		return porcupine.Model{}, fmt.Errorf("there is no model %q in Go", name)
	}
	return porcupine.Model{
		Init:              func() interface{} { return initial },
		Step:              func(state, input, _ interface{}) (bool, interface{}) { return step(state, input.(*Op)) },
		DescribeOperation: func(input, _ interface{}) string { return input.(*Op).told },
		DescribeState:     func(state interface{}) string { return values.describe(name, state) },
	}, nil
}

func start(name string, values *Values) (any, step) {
	switch name {
	case "register", "cas-register":
		return values.initial, stepRegister
	case "kv":
		return values.text(values.initial), stepText
	case "set":
		return "", stepSet(values)
	case "queue":
		return "", stepQueue
	case "unordered-queue":
		return bag{}, stepBag
	case "counter":
		return values.number(values.initial), stepCounter
	case "lock", "fenced-lock":
		return held{holder: -1}, stepLock
	}
	return nil, nil
}

func stepRegister(state any, op *Op) (bool, any) {
	switch op.f {
	case read:
		return op.open || state.(int32) == op.a, state
	case write:
		return true, op.a
	default:
		if state.(int32) == op.a {
			return true, op.b
		}
		return op.open, state
	}
}

// stepText knows strings; an empty one and none are the same.
func stepText(state any, op *Op) (bool, any) {
	switch op.f {
	case read:
		return op.open || state.(string) == op.text, state
	case write:
		return true, op.text
	case appendText:
		return true, state.(string) + op.text
	default:
		if state.(string) == op.text {
			return true, op.next
		}
		return op.open, state
	}
}

func stepSet(values *Values) step {
	return func(state any, op *Op) (bool, any) {
		elements := state.(string)
		at, found := find(elements, op.a)
		switch op.f {
		case add:
			if found {
				return true, state
			}
			return true, insert(elements, at, op.a)
		case remove:
			if !found {
				return true, state
			}
			return true, elements[:at] + elements[at+4:]
		case contains:
			return op.open || found == (op.b == 1), state
		default:
			return op.open || values.set(op.a) == elements, state
		}
	}
}

func stepQueue(state any, op *Op) (bool, any) {
	elements := state.(string)
	switch {
	case op.f == enqueue:
		return true, insert(elements, len(elements), op.a)
	case op.open && elements == "":
		return true, state
	case op.open:
		return true, elements[4:]
	case op.a == 0:
		return elements == "", state
	default:
		if elements == "" || element(elements, 0) != op.a {
			return false, state
		}
		return true, elements[4:]
	}
}

func stepBag(state any, op *Op) (bool, any) {
	bag_ := state.(bag)
	at, found := find(bag_.elements, op.a)
	switch {
	case op.f == enqueue:
		return true, bag{insert(bag_.elements, at, op.a), bag_.debts}
	case op.open:
		return true, bag{bag_.elements, bag_.debts + 1}
	case op.a == 0:
		left := len(bag_.elements) / 4
		return left <= bag_.debts, bag{"", bag_.debts - left}
	default:
		if !found {
			return false, state
		}
		return true, bag{bag_.elements[:at] + bag_.elements[at+4:], bag_.debts}
	}
}

func stepCounter(state any, op *Op) (bool, any) {
	if op.f == increment {
		return true, state.(int64) + op.n
	}
	return op.open || state.(int64) == op.n, state
}

func stepLock(state any, op *Op) (bool, any) {
	lock := state.(held)
	owner := int64(op.a)
	if op.f == release {
		if lock.holder == owner {
			return true, held{-1, lock.token, lock.known}
		}
		return op.open, state
	}
	told := op.b == 1
	if lock.holder != -1 || (told && lock.known && op.n <= lock.token) {
		return op.open, state
	}
	if told {
		return true, held{owner, op.n, true}
	}
	return true, held{owner, lock.token, lock.known}
}

// Elements are four bytes each, big end first, so that strings of them are equal and sorted as they should be.
func element(elements string, at int) int32 {
	return int32(binary.BigEndian.Uint32([]byte(elements[at : at+4])))
}

func insert(elements string, at int, value int32) string {
	var bytes [4]byte
	binary.BigEndian.PutUint32(bytes[:], uint32(value))
	return elements[:at] + string(bytes[:]) + elements[at:]
}

// find gives the place of a value among sorted elements, in bytes, and whether it is there.
func find(elements string, value int32) (int, bool) {
	count := len(elements) / 4
	at := sort.Search(count, func(i int) bool { return element(elements, i*4) >= value }) * 4
	return at, at < len(elements) && element(elements, at) == value
}

func (values *Values) describe(model string, state any) string {
	switch found := state.(type) {
	case int32:
		return values.json(found)
	case int64:
		return fmt.Sprint(found)
	case held:
		if found.holder == -1 {
			return "free"
		}
		return fmt.Sprintf("held by %d", found.holder)
	case bag:
		return values.list(found.elements)
	case string:
		if model == "kv" {
			return fmt.Sprintf("%q", found)
		}
		return values.list(found)
	}
	return fmt.Sprint(state)
}

func (values *Values) list(elements string) string {
	var shown []string
	for at := 0; at < len(elements); at += 4 {
		shown = append(shown, values.json(element(elements, at)))
	}
	return "[" + strings.Join(shown, " ") + "]"
}
