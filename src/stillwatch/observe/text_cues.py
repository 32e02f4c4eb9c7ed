"""Cues: words that mean the same across languages and sources, as features of the content model.

A word list is the field's common knowledge, not learnt from the sample, and so carries over to sources and
languages that the sample is thin in. An entry is one word, or two neighbouring ones; in Chinese, one or two
characters.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from stillwatch.observe.text_shingles import HashSet, mix, tokenise

__all__ = ["CUES", "cue_table", "pair_hashes"]

_PAIR = np.uint64(0xD6E8FEB86659FD93)

CUES: dict[str, str] = {
    "reasoning": "reasoning, rationale, step by, think, thinking, thought, thoughts, chain of, deliberation, boxed,"
                 " derive, justify, 推理, 思考, 思维, 逐步, 步骤, 推导, 一步",
    "finished answer": "final answer, reference answer, solution, reconstruct, hidden, 最终, 参考, 解答, 还原, 反推",
    "grading": "score, scores, scoring, rate, rating, ratings, grade, grader, rubric, criteria, criterion, rank,"
               " ranking, evaluate, evaluation, judge, assess, assessment, verdict, critique, prefer, preferred,"
               " preference, reward, 评分, 打分, 评价, 评审, 评判, 评估, 排序, 偏好, 奖励, 分数, 细则",
    "graded": "response, responses, completion, completions, candidate, assistant's, output a, output b, answers,"
              " 回答, 回复, 候选",
    "tools": "tool, tools, function, functions, api, apis, action, call, calls, arguments, invoke, agent, trajectory,"
             " observation, autogpt, 工具, 函数, 调用, 接口, 动作, 轨迹, 智能",
    "code": "code, python, javascript, java, bug, repository, repo, pull request, commit, function, class, compile,"
            " script, test cases, unit tests, programming, algorithm, snippet, css, git, 代码, 编程, 函数, 脚本,"
            " 报错, 测试",
    "screen": "screenshot, click, mouse, keyboard, gui, desktop, browser, scroll, button, element, screen, keystrokes,"
              " terminal, window, cursor, 截图, 点击, 鼠标, 键盘, 浏览, 屏幕, 按钮, 坐标, 页面",
    "image": "image, images, picture, pictures, photo, photos, figure, visual, caption, pixels, bounding boxes, scan,"
             " 图片, 照片, 图像, 图中, 视觉, 扫描",
    "data": "table, tables, csv, dataframe, pandas, sql, column, columns, rows, statistics, chart, regression,"
            " pivot, spreadsheet, excel, mean, sales, 表格, 下表, 统计, 图表, 回归, 销售, 销量, 指标",
    "safety": "harmful, unsafe, safe, safety, policy, sensitive, comply, compliant, refuse, refusal, refused, censored,"
              " toxic, ethical, guidelines, alignment, constitutional, harmless, 安全, 合规, 敏感, 违规, 有害, 拒绝,"
              " 监管, 规定",
    "rewriting": "rewrite, rewritten, revise, revision, rephrase, paraphrase, reword, version, 改写, 修改, 改成, 润色",
    "making data": "diverse, synthetic, generate, training, dataset, fine tuning, instruction, instructions, seed,"
                   " examples, brand new, prompt, prompts, persona, complex version, augmentation, distillation,"
                   " supervised, 训练, 多样, 生成, 样本, 指令, 微调, 增强, 示例, 语料",
    "form": "json, format, xml, tags, output only, only output, must, exactly, following format, strictly, keys,"
            " 格式, 输出, 必须, 标签, 严格",
    "given text": "context, document, documents, passage, paragraph, article, retrieved, excerpt, transcript,"
                  " text below, 资料, 段落, 文章, 原文",
    "choice": "options, choices, choose, correct option, true or, multiple choice, a b, letter, 选项, 选择, 字母",
    "person": "i, my, me, i'm, i've, we, our, mine, 我, 我们, 我的",
    "courtesy": "please, thanks, thank, hello, hi, hey, could you, can you, 谢谢, 你好, 请问, 帮我",
    "asking": "what, how, why, who, where, when, is it, 什么, 怎么, 为什么, 如何, 多少, 哪里, 吗",
    "sums": "how many, how much, total, twice, altogether, remaining, left over, times as, find the, equation,"
            " triangle, integer, integers, probability, prove, evaluate, remainder, area, sum, 方程,"
            " 面积, 概率, 证明, 多少, 求",
    "translation": "translate, translation, french, spanish, german, chinese, english, 翻译, 英文, 中文",
    "place holders": "###, instruction, input, response, begin, end, user, assistant, system, question, answer",
}


def pair_hashes(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hashes of neighbouring tokens."""
    return mix(left * _PAIR + right)


@functools.cache
def cue_table() -> tuple[HashSet, NDArray[np.int64]]:
    """The hashes of all entries, and for each the number of its cue.

    An entry of several cues for the first of them, one of three characters for its first two.
    """
    owner: dict[int, int] = {}
    for number, entries in enumerate(CUES.values()):
        for entry in entries.split(","):
            hashes = tokenise([entry.strip()]).hash
            if not len(hashes):
                continue
            hashed = hashes[0] if len(hashes) == 1 else pair_hashes(hashes[:1], hashes[1:2])[0]
            owner.setdefault(int(hashed), number)
    entries_ = sorted(owner)
    return HashSet(np.array(entries_, np.uint64)), np.array([owner[entry] for entry in entries_], np.int64)
