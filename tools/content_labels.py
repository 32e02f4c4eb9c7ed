"""What the public prompts ask for: rules by file, kind and words, the first that fits counts.

The folder says where a row is from, not what it asks: within one file stand judges' templates, program fragments
and answers of models. A rule is (kind, words, capability, harvest); ``DROP`` leaves a row out, and ``None`` says
that the rule is not certain of that label. The rules were written from reading the rows; those of bare
requests of ``toolbench_queries`` (which do not say whether tools are offered) were changed after a model had been
fitted, and so, after its mistakes had been read, were those where a rule had missed capital letters, other languages or
words of a program (``inspect_ai``, ``langchain_templates``, ``lm_eval_templates``, ``simple_evals_templates``).
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["label"]

DROP = "drop"
ANY = ".*"

Rule = tuple[str, str, str | None, int | None]

# Words that say what a text asks for, whatever its file.
_GRADE = (r"(?i:\b(rate|rating|score|scores|scoring|grade|grading|grader|rank|ranking|judge|rubrics?|critique"
          r"|verdict)\b|\bevaluat(e|ing|ion)\b|\bassess\b|faithful|fair judge|best matches the given|评分|打分|评判"
          r"|评价|判断.{0,12}(回答|答案))")
_CODE = (r"(?i:\bpython\b|javascript|\bjava\b|\bhtml\b|\bcss\b|\bsql\b|c\+\+|\bcode\b|\bdef \w+\(|\bregex"
         r"|regular expression|programming|\bfunction (that|to|which)|algorithm|(shell|bash|python) script"
         r"|代码|函数|编程)")
_SUMS = (r"(?i:\$|\\boxed|f\(x\)|\bsolve\b|equation|probability|how (many|much)|\btriangle|integer|remainder|\bprove\b"
         r"|step[- ]by[- ]step"
         r"|\bmath|\bsum of\b|逐步|一步一步|数学)")
_SOLVE = (r"(?i:solv(e|ing) (the|this|following)[\w ]{0,30}(equation|math|system)|reasoning step|intermediate steps"
          r"|math (word )?problem)")
_HARM = r"harm|unethical|toxic|offensive|inappropriate|illegal|dangerous|criminal|insensitive|objectionable|bias"
_TOOLS = r"\btools?\b|\bapis?\b|\bagent\b|action input|\bfunctions? call"
_PROGRAM = (r"getElementsBy|agent_scratchpad|create_agent|docs\.langchain|langchain\.|^\{|SSRF|LLM returned"
            r"|not found in|defaulting to|did not find"
            r"|^API documentation|^BASE URL|https?://docs")
_FRAGMENT = r"^.{0,99}$"

RULES: dict[str, tuple[Rule, ...]] = {
    "positive/alpacafarm_annotator_templates": ((ANY, ANY, "reward_grading", 1),),
    "positive/bespoke_curator": (
        ("seed_problem", ANY, None, None),
        ("template", r"judge that evaluates", "reward_grading", 1),
        ("template", r"long thinking process", "reasoning_trace", 1),
        ("template", r"Python function|manim code", "coding", 1),
        ("template", r"function calling", "agentic_tool_use", 1),
        ("template", r"^(A list|A decorator|Generators|Lists are|Use the|Machine|1\. Imp|An API|Python was"
                     r"|Photosynthesis"
                     r"|Starting|The name or|import )", DROP, None),
        ("template", ANY, "instruction_following", 1)),
    "positive/distilabel_templates": (
        (ANY, r"^(\{% if|## Anchor|Formatting function|Incorporate|can use similar|is a 'hard|If #The|# Rules"
              r"|## Examples"
              r"|Use clear|Generate concise|It can contain|## Labeling)", DROP, None),
        ("tool_or_magpie_template", r"data quality evaluator", "reward_grading", 1),
        ("tool_or_magpie_template", r"function|tool", "agentic_tool_use", 1),
        ("cot_system_or_template", ANY, "reasoning_trace", 1),
        (ANY, r"^Please provide an answer", "instruction_following", 1),
        ("rubric_template", ANY, "reward_grading", 1),
        (ANY, r"student.{0,3}solution|student's answer", "reasoning_trace", 1),
        (ANY, r"candidate answer\. Evaluate", "reward_grading", 1),
        (ANY, ANY, "instruction_following", 1)),
    "positive/glaive_tool_trajectories": ((ANY, ANY, None, None),),
    "positive/magpie": (
        ("pre_query_template", ANY, None, None),
        ("template", r"rate the quality|difficulty", "reward_grading", 1),
        ("template", ANY, "instruction_following", 1),
        (ANY, _CODE, "coding", None),
        (ANY, ANY, "instruction_following", None)),
    "positive/rllm_reasoning_seeds": (
        (ANY, r"programming|python|def \w+\(", "coding", None),
        (ANY, ANY, "reasoning_trace", None)),
    "positive/self_instruct": (
        ("seed_prompt", _CODE, "coding", None),
        ("seed_prompt", _SOLVE, "reasoning_trace", None),
        ("seed_prompt", ANY, "instruction_following", None),
        (ANY, ANY, "instruction_following", 1)),
    "positive/skythought": (
        (ANY, r"Python function", "coding", 1),
        (ANY, r"^(<\|begin|All levels)", DROP, None),
        (ANY, r"grade the difficulty|Your response should be: True", "reward_grading", 1),
        (ANY, r"letter choice|candidate answers", None, None),
        (ANY, ANY, "reasoning_trace", 1)),
    "positive/stanford_alpaca_templates": ((ANY, ANY, "instruction_following", 1),),
    "positive/swe_smith": (
        (ANY, r"^(cd |\(method|#content|IMPORTANT|Your command)", DROP, None),
        (ANY, ANY, "coding", 1)),
    "positive/toolbench_queries": (
        # A bare request does not say whether tools are offered: what was sent with it does.
        ("tool_query", ANY, None, None),
        ("template", r"value-GPT", "reward_grading", 1),
        ("template", r"^(Since query|The final answer you)", DROP, None),
        ("template", ANY, "agentic_tool_use", 1),
        ("rubric_template", r"choose one preferred|answer_status", "reward_grading", 1),
        (ANY, ANY, None, 1)),
    "positive/toolbench_trajectories": ((ANY, ANY, "agentic_tool_use", 1),),
    "positive/ultrafeedback_rubrics": (
        ("rubric_template", ANY, "reward_grading", 1),
        (ANY, ANY, "instruction_following", 1)),
    "hard_negative/aider_prompts": (
        (ANY, r"^(Ok, |To make this change|I committed)", DROP, None),
        (ANY, ANY, "coding", 0)),
    "hard_negative/alpaca_eval": (
        ("judge_template", ANY, "reward_grading", 0),
        ("model_wrapper_template", ANY, None, 0),
        (ANY, _CODE, "coding", 0),
        (ANY, _SOLVE, "reasoning_trace", 0),
        (ANY, ANY, "instruction_following", 0)),
    "hard_negative/banking77_support_utterances": ((ANY, ANY, "other", 0),),
    "hard_negative/gsm8k_test": ((ANY, ANY, "reasoning_trace", 0),),
    "hard_negative/inspect_ai": (
        ("benchmark_question", ANY, None, 0),
        (ANY, r"\{_?\w*\(|set the |generate config|Inspect |did not|neither |dropped|declined|bridge|LiteLLM"
              r"|does not support|rejects|cannot be disabled|\bACP\b|react\(\)|esac|alias |^Do you def", DROP, None),
        (ANY, _FRAGMENT, DROP, None),
        (ANY, r"improved answer|summarizing conversations", "instruction_following", 0),
        (ANY, r"available tools|(tools|functions) available|function signatures|[Ss]ubagent|[Dd]elegat|tool calls?\b"
              r"|read-only access|\(\) tool", "agentic_tool_use", 0),
        (ANY, _GRADE, "reward_grading", 0),
        (ANY, r"multiple choice|choices", None, 0),
        (ANY, r"step by step|reasoning", "reasoning_trace", 0),
        (ANY, ANY, None, 0)),
    "hard_negative/langchain_templates": (
        (ANY, _PROGRAM, DROP, None),
        (ANY, r"rewrite(?s:.)*cognitive biases", "instruction_following", 0),
        (ANY, r"\bThought ?\d*:(?s:.)*\bAction", "agentic_tool_use", 0),
        (ANY, r"TextWorld", "agentic_tool_use", 0),
        (ANY, r"assessing a submitted|Assistant A's", "reward_grading", 0),
        (ANY, r"(?i)^(please )?(rewrite|revise|amend|write a new version|write a new assistant response)(?s:.)*("
              + _HARM + ")", "safety_rewrite", 0),
        (ANY, r"(?i)^(please )?(rewrite|revise|amend|new assistant)(?s:.)*response", "instruction_following", 0),
        (ANY, r"(?i)^(discuss|identify|explain ways|critique|what's the strongest|did the assistant"
              r"|think carefully|please comment"
              r"|take a look|read the assistant|check that)", "reward_grading", 0),
        (ANY, _FRAGMENT, DROP, None),
        (ANY, r"\bSQL|\bdataframe|cypher|\bgraph query|pandas", "data_analysis", 0),
        (ANY, r"grade|grading|scale of|score", "reward_grading", 0),
        (ANY, _TOOLS, "agentic_tool_use", 0),
        (ANY, _CODE, "coding", 0),
        (ANY, ANY, "instruction_following", 0)),
    "hard_negative/lighteval_templates": (
        (ANY, r"judge|grad(e|ing)|evaluat|score", "reward_grading", 0),
        (ANY, ANY, None, 0)),
    "hard_negative/lm_eval_templates": (
        (ANY, r"^<image>", "vision", 0),
        (ANY, r"step by step", "reasoning_trace", 0),
        (ANY, r"summary|summari|translate|phrase:|sentence:|sentiment|label", "instruction_following", 0),
        (ANY, r"def \w+\(|python", "coding", 0),
        (ANY, ANY, None, 0)),
    "hard_negative/math_eval_simplerl": (
        ("benchmark_question", ANY, "reasoning_trace", 0),
        (ANY, ANY, None, None)),
    "hard_negative/mt_bench": (
        ("judge_template", ANY, "reward_grading", 0),
        (ANY, _CODE, "coding", 0),
        (ANY, _SUMS, "reasoning_trace", 0),
        (ANY, ANY, "instruction_following", 0)),
    "hard_negative/opencompass_templates": (
        (ANY, _FRAGMENT, None, 0),
        (ANY, r"(?i)\b(grading expert|impartial|judge whether|score)|评分|打分|评价.{0,20}回答|哪一个更好|(model"
              r"|candidate)'s answer",
         "reward_grading", 0),
        (ANY, r"^Tool:|Action Input|工具调用", "agentic_tool_use", 0),
        (ANY, r"(?i)python|def \w+\(|write a function|代码", "coding", 0),
        (ANY, r"step by step|step-by-step|\\boxed|chain of thought|逐步|推理", "reasoning_trace", 0),
        (ANY, ANY, None, 0)),
    "hard_negative/ragas_templates": (
        (ANY, r"^(SSRF|LLM returned|Relationship|\{self|Loading)", DROP, None),
        (ANY, r"(?i)^(given|your task|your goal|instruction|### instr|you are (a world|evaluating)|as a special"
              r"|i will rate"
              r"|based on the above|you're an expert rev|please tell|compare|score|explain and compare|determine)",
         "reward_grading", 0),
        (ANY, r"(?i)^(generate|form comb|using the prov|extract|you are a (translator|mutator|categ)|assign|decompose)",
         "instruction_following", 0),
        (ANY, ANY, DROP, None)),
    "hard_negative/self_instruct_user_oriented_eval": (
        (ANY, _CODE, "coding", 0),
        (ANY, _SOLVE, "reasoning_trace", 0),
        (ANY, ANY, "instruction_following", 0)),
    "hard_negative/simple_evals_templates": (
        (ANY, r"^<|^Reference completions|^You are ChatGPT|assistant is Claude", DROP, None),
        (ANY, r"(?i)judge whether|assign a grade|score the last turn", "reward_grading", 0),
        (ANY, r"step|math|Schritte|数学|matem|матем|গণিত|hesabu|గణిత|คณิต", "reasoning_trace", 0),
        (ANY, r"function", "coding", 0),
        (ANY, ANY, None, 0)),
    "hard_negative/swe_agent": (
        (ANY, r"cybersecurity|\bCTF\b", None, 0),
        (ANY, r"\(\) \{|^\w+\(|^Usage|^Replace first|^Enter any|^Patch:", DROP, None),
        (ANY, ANY, "coding", 0)),
    "benign_chat/awesome_chatgpt_prompts": (
        (ANY, r"(?i)photo|image|cinematic|render|8k|lighting", None, 0),
        (ANY, _CODE, None, 0),
        (ANY, r"(?i)\bact as\b|i will|my first", "other", 0),
        (ANY, ANY, None, 0)),
    "benign_chat/fastchat_dummy": ((ANY, ANY, "other", 0),),
    "benign_chat/hh_rlhf_harmless_humans": ((ANY, ANY, "other", 0),),
}


def label(source: str, row: dict[str, Any]) -> tuple[str | None, int | None]:
    """Capability and harvest of a row; both ``None`` where it is left out or nothing is certain."""
    text = " ".join(f"{row.get('system') or ''} {row['text']}".split())
    # The shorter a fragment of source code is, the less its label means.
    if "template" in row["kind"] and len(text) < 40:
        return None, None
    for kind, words, capability, harvest in RULES.get(source, ()):
        if (kind in (ANY, row["kind"])) and re.search(words, text):
            return (None, None) if capability == DROP else (capability, harvest)
    return None, None
