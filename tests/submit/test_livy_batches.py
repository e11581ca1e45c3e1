"""A job as a batch of Livy, against a small HTTP server: what is sent, what is repeated, how it ends."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import threading

import pytest

from hpt_spark.cli import run_job
from jobs import submit
from tests.jobs.running import set_words
from tests.submit.conftest import answering, hanging_up, taken_and

SECRET = "pa:55 wörd"


@pytest.fixture
def submitted(livy, capsys, caplog):
    """Submit a job in this process; return its exit code, what it printed, and what it logged and said on stderr."""

    def call(*settings: str) -> tuple[int, str, str]:
        given = [f"submit.livy_url={livy.url}", "submit.bundle=wasbs:///b", "submit.livy_poll=0.01", *settings]
        argv = ["tune", "--target", "livy", *set_words(*given)]
        caplog.clear()
        try:
            code = run_job(submit.main, submit.__doc__, submit.options, argv)
        except SystemExit as end:  # of SIGTERM
            code = end.code
        out, err = capsys.readouterr()
        return code, out, "".join(f"{message}\n" for message in caplog.messages) + err

    return call


@pytest.fixture
def signed_in(monkeypatch):
    monkeypatch.setenv("HPT_SPARK_LIVY_USER", "admin")
    monkeypatch.setenv("HPT_SPARK_LIVY_PASSWORD", SECRET)


def last(err: str) -> str:
    assert "Traceback" not in err
    return err.splitlines()[-1]


def in_time(livy, reached, act) -> threading.Thread:
    """Act as soon as the server has been asked what `reached` wants."""

    def wait() -> None:
        while not reached():
            pass
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


# --- what is sent ---


def test_every_request_is_signed_and_says_by_whom_it_is(livy, submitted, signed_in):
    code, out, err = submitted()
    assert (code, out) == (0, f"hpt-spark tune: batch 7 of Livy at {livy.url} ended as success\n")
    signature = "Basic " + base64.b64encode(f"admin:{SECRET}".encode()).decode()
    assert {(one.headers["Authorization"], one.headers["X-Requested-By"]) for one in livy.asked} == {
        (signature, "hpt-spark")
    }
    assert {one.headers["Content-Type"] for one in livy.asked} == {"application/json"}
    (post,) = livy.of("POST")
    assert (post.path, post.body["file"]) == ("/livy/batches", "wasbs:///b/jobs/tune.py")
    for shown in (out, err, str(post.body)):
        assert SECRET not in shown
        assert signature.split()[1] not in shown


def test_no_proxy_is_asked_for_a_livy_of_this_machine(livy, submitted, signed_in, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # where nobody listens
    monkeypatch.delenv("no_proxy", raising=False)
    assert submitted("submit.livy_patience=0.1")[0] == 0


def test_without_a_user_nothing_is_signed(livy, submitted):
    assert submitted()[0] == 0
    assert not [one for one in livy.asked if "Authorization" in one.headers]


def test_each_batch_has_a_name_of_its_own(livy, submitted):
    submitted()
    submitted()
    names = [post.body["name"] for post in livy.of("POST")]
    assert len(set(names)) == 2
    assert all(re.fullmatch("hpt-spark tune [0-9a-f]{8}", name) for name in names)


# --- how it ends ---


@pytest.mark.parametrize("end", ["dead", "killed", "error"])
def test_a_batch_that_fails_shows_the_end_of_its_log_and_where_the_rest_is(livy, submitted, end):
    livy.end, livy.log = end, [f"line {number}" for number in range(200)] + ["url?sig=S3CRET&x"]
    code, out, err = submitted()
    assert (code, out) == (1, "")
    assert last(err).startswith(f"hpt-spark: hpt-spark tune: batch 7 of Livy at {livy.url} ended as {end}; ")
    shown = [line for line in err.splitlines() if line.startswith("line ")]
    assert shown == [f"line {number}" for number in range(151, 200)]
    assert "S3CRET" not in err


def test_the_application_of_yarn_is_named_for_its_log(livy, submitted):
    livy.end, livy.log = "dead", ["INFO Client: Application report for application_1700000000000_0042"]
    assert last(submitted()[2]).endswith("the job's own: yarn logs -applicationId application_1700000000000_0042.")


def test_progress_names_each_state_once(submitted):
    said = [line.partition("batch 7: ")[2] for line in submitted()[2].splitlines() if "batch 7: " in line]
    assert [re.sub(r"\d+ s", "N s", line) for line in said] == [
        "running after N s, application_1_0001",
        "success after N s, application_1_0001",
    ]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_who_gives_up_waiting_deletes_the_batch(livy, submitted, number, code):
    livy.end = "running"
    in_time(livy, lambda: len(livy.of("GET")) > 3, lambda: os.kill(os.getpid(), number))
    ended, out, err = submitted()
    assert (ended, out) == (code, "")
    assert [one.path for one in livy.of("DELETE")] == ["/livy/batches/7"]
    assert "batch 7 is deleted" in err


def test_a_signal_during_the_post_deletes_what_it_has_started(livy, submitted):
    livy.faults["POST"] = [lambda handler: (os.kill(os.getpid(), signal.SIGINT), livy_answers(handler))]
    assert submitted()[0] == 130
    assert [one.path for one in livy.of("DELETE")] == ["/livy/batches/7"]
    assert livy.batches == {}


def livy_answers(handler) -> None:
    threading.Event().wait(0.1)  # the signal is there before the answer
    answering(201, json.dumps(handler.livy.answer("POST", handler.path, handler.livy.asked[-1].body)[1]))(handler)


def test_a_batch_that_cannot_be_deleted_is_told(livy, submitted):
    livy.end = "running"
    livy.faults["DELETE"] = [answering(400, '{"msg": "not now"}')]
    in_time(livy, lambda: len(livy.of("GET")) > 3, lambda: os.kill(os.getpid(), signal.SIGINT))
    code, _, err = submitted()
    assert code == 130
    assert "batch 7 may go on running, since it could not be deleted: Livy refuses the request (400): not now" in err


def test_a_batch_that_vanishes_is_told(livy, submitted):
    in_time(livy, lambda: livy.batches, livy.batches.clear)
    livy.end = "running"
    code, _, err = submitted()
    assert code == 1
    assert "does not know batch 7 any more" in last(err)


# --- what is repeated ---


@pytest.mark.parametrize("fault", [answering(429), answering(500, "x"), answering(502), answering(503), hanging_up])
def test_a_look_is_repeated(livy, submitted, fault):
    livy.faults["GET"] = [fault, fault, None, fault, None, fault]
    assert submitted()[0] == 0
    assert len(livy.of("POST")) == 1


@pytest.mark.parametrize("code", [429, 503])
def test_a_batch_that_was_not_taken_is_posted_again(livy, submitted, code):
    livy.faults["POST"] = [answering(code), answering(code)]
    assert submitted()[0] == 0
    assert len(livy.of("POST")) == 3
    assert list(livy.batches) == [7]


def test_a_server_says_itself_how_long_to_wait(livy, submitted, monkeypatch):
    waits = []
    monkeypatch.setattr("hpt_spark.submit.livy_server.time.sleep", waits.append)
    livy.faults["POST"] = [answering(429, Retry_After="17")]
    assert submitted()[0] == 0
    assert 17 in waits


LOST = [
    answering(500, "x"),
    answering(502),
    answering(504, "<html><title>t</title>Gateway <b>Timeout</b></html>"),
    hanging_up,
]


@pytest.mark.parametrize("fault", [*LOST, answering(200, "no JSON"), answering(200, "{}")])
def test_a_batch_whose_answer_was_lost_is_found_by_its_name(livy, submitted, fault):
    livy.faults["POST"] = [taken_and(fault)]
    code, out, _ = submitted()
    assert (code, "batch 7" in out) == (0, True)
    assert len(livy.of("POST")) == 1


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("was_taken", [True, False])
def test_a_post_is_never_doubled(livy, submitted, fault, was_taken):
    """Livy 0.5 gives no names: only the user can tell."""
    livy.names = False
    livy.faults["POST"] = [taken_and(fault) if was_taken else fault]
    code, _, err = submitted()
    assert code == 1
    assert len(livy.of("POST")) == 1
    assert ("since then batch 7 is new" if was_taken else "no new batch is listed") in last(err)
    assert "whether the job was started is unknown, so that it is not sent again" in last(err)


def test_a_lost_answer_is_told_though_livy_has_gone(livy, submitted):
    livy.faults |= {"POST": [hanging_up], "GET": [None, *[answering(502)] * 1000]}
    code, _, err = submitted("submit.livy_patience=0.1")
    assert (code, len(livy.of("POST"))) == (1, 1)
    assert "whether the job was started is unknown" in last(err)


def test_patience_ends_and_says_that_the_batch_may_be_running(livy, submitted):
    livy.faults["GET"] = [None, *[answering(502, "bad gateway")] * 1000]
    code, _, err = submitted("submit.livy_patience=0.1")
    assert code == 1
    assert "answers 502 (bad gateway); given up after" in last(err)
    assert last(err).endswith(f"Batch 7 may be running: {livy.url}/batches/7.")


# --- what is refused ---


def test_a_wrong_password_is_one_sentence(livy, submitted, signed_in):
    livy.faults["GET"] = [answering(401, "<html>Unauthorized</html>")]
    code, out, err = submitted()
    assert (code, out) == (2, "")
    assert f"Livy at {livy.url} refuses the user and password of HPT_SPARK_LIVY_USER" in last(err)
    assert len(err.splitlines()) == 1
    assert SECRET not in err


def test_a_server_that_wants_a_user_is_one_sentence(livy, submitted):
    livy.faults["GET"] = [answering(401)]
    assert "refuses a request without HPT_SPARK_LIVY_USER and HPT_SPARK_LIVY_PASSWORD (401)" in last(submitted()[2])


@pytest.mark.parametrize("missing", ["HPT_SPARK_LIVY_USER", "HPT_SPARK_LIVY_PASSWORD"])
def test_half_a_sign_in_is_refused(livy, submitted, signed_in, monkeypatch, missing):
    monkeypatch.delenv(missing)
    code, _, err = submitted()
    assert (code, f"and {missing} is not" in err, livy.asked) == (2, True, [])


@pytest.mark.parametrize("scheme", ["http", "HTTP", "Http"])
def test_a_password_does_not_travel_unencrypted(submitted, signed_in, scheme):
    code, _, err = submitted(f"submit.livy_url={scheme}://livy.example:8998")
    assert code == 2
    assert "use https://" in last(err)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            '{"msg": "requirement failed: Local path /b/x.py cannot be added to user sessions."}',
            "Livy refuses /b/x.py, a",
        ),
        ('"Rejected, Reason: too many"', "Livy refuses the batch: Rejected, Reason: too many"),
        (
            "<html><style>p {}</style><p>Missing Required Header</p></html>",
            "refuses the batch: Missing Required Header",
        ),
    ],
)
def test_livys_reason_is_told(livy, submitted, body, said):
    livy.faults["POST"] = [answering(400, body)]
    code, _, err = submitted()
    assert (code, len(livy.of("POST"))) == (2, 1)
    assert said in last(err)


def test_the_password_does_not_follow_to_another_place(livy, submitted, signed_in):
    livy.faults["GET"] = [answering(302, Location="http://other.example/login?token=T0KEN")]
    code, _, err = submitted()
    assert (code, len(livy.asked)) == (2, 1)
    assert "answers 302 and names http://other.example/login?***; correct submit.livy_url" in last(err)


def test_what_is_no_livy_is_told(livy, submitted):
    livy.faults["GET"] = [answering(200, "[]")]
    assert "is no Livy" in last(submitted()[2])
    livy.faults["GET"] = [answering(404, "nothing here")]
    assert "answers 404 (nothing here); correct submit.livy_url" in last(submitted()[2])


def test_nobody_there_is_told_after_some_tries(livy, submitted):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        code, _, err = submitted(
            f"submit.livy_url=http://127.0.0.1:{unused.getsockname()[1]}", "submit.livy_patience=0.1"
        )
    assert code == 1
    assert "cannot be reached (Connection refused); tried again in" in err
    assert "cannot be reached (Connection refused); given up after" in last(err)


def test_a_wrong_address_is_told_soon_whatever_the_patience(livy, submitted, monkeypatch):
    monkeypatch.setattr("hpt_spark.submit.livy_server.SECONDS_TO_BE_FOUND", 0.05)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        code, _, _ = submitted(
            f"submit.livy_url=http://127.0.0.1:{unused.getsockname()[1]}", "submit.livy_patience=600"
        )
    assert code == 1


def test_an_address_with_a_page_for_people_is_told_soon_whatever_the_patience(livy, submitted, monkeypatch):
    monkeypatch.setattr("hpt_spark.submit.livy_server.SECONDS_TO_BE_FOUND", 0.05)
    livy.faults["GET"] = [answering(200, "<html>a portal</html>")] * 10_000
    code, _, err = submitted("submit.livy_patience=600")
    assert code == 1
    assert "gives an answer that is not JSON; given up after" in last(err)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["submit.bundle=dist"], "submit.bundle: dist/jobs/tune.py is of this machine's working folder"),
        (["submit.bundle=null"], "submit.bundle=null: Livy takes no file of this machine"),
        (["submit.livy_url=null"], "submit.livy_url=null: name the Livy server"),
        (["spark.master=local[2]"], "spark.master=local[2]: the master of a batch is Livy's own setting"),
        (["submit.secrets.spark.a.password=HOME"], "submit.secrets cannot reach a job by Livy"),
        (["submit.livy_url=https://me:S3CRET@h/livy"], "put them into HPT_SPARK_LIVY_USER"),
        (["submit.livy_url=livy.example"], "must be http://HOST:PORT"),
        (["submit.livy_url=http://h:99999"], "must be http://HOST:PORT"),
        (["submit.livy_url=http://ж/livy"], "must be http://HOST:PORT"),
        (["submit.livy_url='http://h/ livy'"], "must be http://HOST:PORT"),
    ],
)
def test_what_livy_cannot_have_is_refused_before_it_is_asked(livy, submitted, settings, said):
    code, out, err = submitted(*settings)
    assert (code, out, livy.asked) == (2, "", [])
    assert said in err
    assert "S3CRET" not in err
