"""Calls of real clients through the proxy at a URL; prints what was sent, a line of JSON a call."""

import json
import sys

import anthropic
import openai


def main(url):
    def told(**call):
        print(json.dumps(call))

    def failing(make):
        try:
            make()
        except (openai.APIStatusError, anthropic.APIStatusError) as error:
            return error.status_code
        raise AssertionError("it should have failed")

    for user in ("ada", "bob"):
        for number in (1, 2):
            client = openai.OpenAI(base_url=f"{url}/v1", api_key=f"sk-{user}-{number}", max_retries=0)
            for stream in (False, True):
                prompt = f"What is {number} plus {len(user)}, says {user} {'slowly' if stream else 'at once'}?"
                sent = {"model": "small", "temperature": 0.25, "top_p": 0.75, "max_tokens": 64, "user": f"end-{user}",
                        "messages": [{"role": "system", "content": "You are terse."},
                                     {"role": "user", "content": prompt}]}
                if stream:
                    sent |= {"stream_options": {"include_usage": True}}
                made = client.chat.completions.create(**sent, stream=stream)
                said = "".join(part.choices[0].delta.content or "" for part in made if part.choices) if stream else (
                    made.choices[0].message.content)
                told(client="OpenAI/Python", model="small", user=user, key=number, stream=stream, prompt=prompt,
                     said=said, system="You are terse.", temperature=0.25, top_p=0.75, max_tokens=64,
                     end_user=f"end-{user}")
    for user in ("ada", "cyd"):
        client = anthropic.Anthropic(base_url=url, api_key=f"sk-{user}-3", max_retries=0)
        for stream in (False, True):
            prompt = f"Name a prime, {user}, {'piece by piece' if stream else 'whole'}."
            sent = {"model": "tiny", "max_tokens": 32, "extra_body": {"temperature": 0.5}, "system": "You count.",
                    "messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello."},
                                 {"role": "user", "content": prompt}]}
            if stream:
                with client.messages.stream(**sent) as made:
                    said = made.get_final_text()
            else:
                said = client.messages.create(**sent).content[0].text
            told(client="Anthropic/Python", model="tiny", user=user, key=3, stream=stream, prompt=prompt, said=said,
                 system="You count.", temperature=0.5, top_p=None, max_tokens=32, end_user=None)
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="sk-bob-2", max_retries=0)
    status = failing(lambda: client.chat.completions.create(
        model="small", messages=[{"role": "user", "content": "fail please"}]))
    told(client="OpenAI/Python", model="small", user="bob", key=2, status=status, prompt="fail please")


WORK = "Solve the following problem. Reason step by step, show the whole chain of thought, then give the final answer."
THINGS = ["lamps", "boats", "coins", "seeds", "wheels", "stamps", "bricks", "books", "shells", "cards", "ropes",
          "bells"]


def crowd(url):
    """One operator with twelve accounts behind two exits, among twelve people, each with an address of their own."""
    for number in range(12):
        for who, address in (("op", f"45.155.205.{10 + number % 2}"), ("person", f"81.{number + 10}.7.{number + 3}")):
            client = openai.OpenAI(base_url=f"{url}/v1", api_key=f"sk-{who}{number}-1", max_retries=0,
                                   default_headers={"X-Forwarded-For": address})
            for turn in range(5):
                thing = THINGS[(number + 5 * turn) % 12]
                task = f"A shop has {7 * number + turn} {thing} and sells {turn + 2} of them a day. When are none left?"
                talk = f"my {thing} came number {number} and I wonder what {THINGS[turn]} would say {'about ' * turn}it"
                messages = [{"role": "user", "content": f"{WORK} {task}" if who == "op" else talk}]
                client.chat.completions.create(model="small", messages=messages)


if __name__ == "__main__":
    main(sys.argv[1])
    crowd(sys.argv[1])
