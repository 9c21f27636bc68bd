/** Texts of correcting: English and Chinese. */

/** @type {Record<string, [string, string]>} */
export const CORRECTING_TEXTS = {
  "correcting.correct": ["Correct the text", "更正文字"],
  "correcting.undo": ["Undo the correction", "撤销更正"],
  "correcting.text": ["Text of this block", "此块的文字"],
  "correcting.text.table": ["Text of this table: rows as | a | b |, or HTML", "表格文字：每行写作 | a | b |，或用 HTML"],
  "correcting.read": ["As it was read:", "原识别结果："],
  "correcting.save": ["Save", "保存"],
  "correcting.cancel": ["Cancel", "取消"],
  "correcting.saved": ["Corrected. Results and answers now use this text.", "已更正，结果与回答将使用此文字。"],
  "correcting.undone": ["Correction undone.", "已恢复为原识别结果。"],
  "correcting.keys": ["Ctrl+Enter saves, Esc cancels.", "Ctrl+Enter 保存，Esc 取消。"],
  "correcting.export": ["Corrections, for training (ZIP)", "更正，用于训练（ZIP）"],
  "correcting.none": ["Nothing is corrected in this document yet.", "此文档尚无更正。"],
};
