-- docs/directives.md as a manual page, for the filters of pandoc.

-- columns of text that pandoc makes of the width 1, and between columns

local WIDTH, GAP = 70, 3

local function head(text)
  return pandoc.Header(1, pandoc.Str(text))
end

local function para(...)
  return pandoc.Para(pandoc.Inlines and pandoc.Inlines{...} or {...})
end

-- the title and the table of contents make room for the usual sections

function Pandoc(doc)
  local blocks = {
    head('NAME'),
    para(pandoc.Str('ngx_http_katalo_module'), pandoc.Space(),
         pandoc.RawInline('man', '\\-'), pandoc.Space(),
         pandoc.Str('keeps the key of the Katalo API in nginx')),
    head('DESCRIPTION')
  }

  local begun = false

  for _, block in ipairs(doc.blocks) do
    local title = block.t == 'Header' and not begun
    local contents = block.t == 'BulletList' and not begun

    if not title and not contents then
      begun = true
      blocks[#blocks + 1] = block
    end
  end

  blocks[#blocks + 1] = head('SEE ALSO')
  blocks[#blocks + 1] = para(pandoc.Strong('nginx'), pandoc.Str('(8)'),
    pandoc.Str(','), pandoc.Space(),
    pandoc.Str('/usr/share/doc/libnginx-mod-http-katalo/docs'))

  return pandoc.Pandoc(blocks, doc.meta)
end

function Code(code)
  return pandoc.Strong(pandoc.Str(code.text))
end

function CodeBlock(block)
  local text = block.text:gsub('\\', '\\e'):gsub('%-', '\\-')
                         :gsub('\n([.\'])', '\n\\&%1'):gsub('^([.\'])', '\\&%1')

  return pandoc.RawBlock('man', '.IP\n.nf\n' .. text .. '\n.fi')
end

-- a link keeps its text, and the name of another file

function Link(link)
  local file = link.target:match('^([%w/]+%.md)')

  if file and not pandoc.utils.stringify(link.content):find(file, 1, true) then
    link.content:extend({ pandoc.Space(), pandoc.Str('(' .. file .. ')') })
  end

  return link.content
end

function Image()
  return {}
end

function Para(paragraph)
  if #paragraph.content == 0 then
    return {}
  end
end

-- the lines of the widest columns are broken

function Table(full)
  local simple = pandoc.utils.to_simple_table(full)
  local rows, widths = { simple.headers }, {}
  local sum = GAP * (#simple.aligns - 1)

  for _, row in ipairs(simple.rows) do
    rows[#rows + 1] = row
  end

  for i in ipairs(simple.aligns) do
    widths[i] = 0

    for _, row in ipairs(rows) do
      local text = row[i] and pandoc.utils.stringify(row[i]) or ''
      widths[i] = math.max(widths[i], utf8.len(text))
    end

    sum = sum + widths[i]
  end

  for _ = WIDTH + 1, sum do
    local widest = 1

    for i, width in ipairs(widths) do
      if width > widths[widest] then
        widest = i
      end
    end

    widths[widest] = widths[widest] - 1
  end

  for i, width in ipairs(widths) do
    simple.widths[i] = width / WIDTH
  end

  return pandoc.utils.from_simple_table(simple)
end
