using System.IO;
using System.Text;
using System.Xml;
using System.Xml.Linq;
using Hutch.Management;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary>XML as libvirt reads and prints it: documents of clients with limits on what they may cost, and text with two blanks of indent and single quotes.</summary>
internal static class XmlText
{
    /// <summary>The longest document in characters: that of a string of the protocol (REMOTE_STRING_MAX).</summary>
    internal const int MostCharacters = 4 << 20;

    /// <summary>How deep elements may be nested.</summary>
    internal const int MostDepth = 64;

    /// <summary>How many elements and attributes a document may have.</summary>
    internal const int MostNodes = 200_000;

    /// <summary>Reads a document without a document type. Throws <see cref="FailureKind.BadDocument"/>.</summary>
    /// <param name="text">The document.</param>
    /// <param name="what">What it is, as libvirt's messages begin: <c>domain_definition</c>.</param>
    internal static XElement Parse(string text, string what)
    {
        if (text.Length > MostCharacters) throw Bad($"The document has {text.Length} characters; at most {MostCharacters} are read.");
        try
        {
            Measure(text);
            using XmlReader reader = Reader(text);
            XElement root = XElement.Load(reader);
            // <a></a> is <a/>: what is kept must not depend on how it was written.
            foreach (XElement element in root.DescendantsAndSelf())
                if (element.FirstNode is null) element.RemoveNodes();
            return root;
        }
        catch (XmlException malformed)
        {
            throw Bad($"({what}):{malformed.LineNumber}: {malformed.Message}");
        }
    }

    /// <summary>Limits are checked before there is a tree.</summary>
    private static void Measure(string text)
    {
        int nodes = 0;
        using XmlReader reader = Reader(text);
        while (reader.Read())
        {
            if (reader.NodeType != XmlNodeType.Element) continue;
            nodes += 1 + reader.AttributeCount;
            if (nodes > MostNodes) throw Bad($"The document has more than {MostNodes} elements and attributes.");
            if (reader.Depth >= MostDepth) throw Bad($"The document nests elements deeper than {MostDepth}.");
        }
    }

    private static XmlReader Reader(string text) => XmlReader.Create(new StringReader(text), new XmlReaderSettings
    {
        DtdProcessing = DtdProcessing.Prohibit,
        XmlResolver = null,
        IgnoreComments = true,
        IgnoreProcessingInstructions = true,
        IgnoreWhitespace = true,
        MaxCharactersInDocument = MostCharacters,
    });

    private static ManagementException Bad(string message) => new(FailureKind.BadDocument, message);

    /// <summary>An element as one line of XML text, for what is kept.</summary>
    internal static string Line(XElement element) => element.ToString(SaveOptions.DisableFormatting);

    /// <summary>Prints an element and a line feed.</summary>
    internal static string Print(XElement element)
    {
        StringBuilder text = new();
        Print(text, element, 0, quote: '\'');
        return text.ToString();
    }

    private static void Print(StringBuilder text, XElement element, int indent, char quote)
    {
        text.Append(' ', indent);
        PrintTag(text, element, quote);
        text.Append('\n');
    }

    private static void PrintTag(StringBuilder text, XElement element, char quote)
    {
        string name = NameOf(element, element.Name);
        text.Append('<').Append(name);
        foreach (XAttribute attribute in element.Attributes())
        {
            text.Append(' ').Append(attribute.IsNamespaceDeclaration ? DeclarationOf(attribute) : NameOf(element, attribute.Name)).Append('=').Append(quote);
            Escape(text, attribute.Value, quote, isAttribute: true);
            text.Append(quote);
        }
        if (element.FirstNode is null)
        {
            text.Append("/>");
            return;
        }
        text.Append('>');
        PrintContent(text, element, quote);
        text.Append("</").Append(name).Append('>');
    }

    private static void PrintContent(StringBuilder text, XElement element, char quote)
    {
        bool isMixed = false;
        for (XNode? node = element.FirstNode; node is not null; node = node.NextNode) isMixed |= node is XText;
        int indent = isMixed ? 0 : IndentOf(element);
        // Elements of other namespaces are printed as libxml2 does, with double quotes.
        char inner = element is { Name.LocalName: "metadata", Parent.Name.LocalName: "domain" or "inactiveDomain" } ? '"' : quote;
        if (!isMixed) text.Append('\n');
        for (XNode? node = element.FirstNode; node is not null; node = node.NextNode)
        {
            if (node is XText characters) Escape(text, characters.Value, quote, isAttribute: false);
            else if (node is XElement child && isMixed) PrintTag(text, child, inner);
            else if (node is XElement below) Print(text, below, indent + 2, inner);
        }
        if (!isMixed) text.Append(' ', indent);
    }

    private static int IndentOf(XElement element)
    {
        int depth = 0;
        for (XElement? above = element.Parent; above is not null; above = above.Parent) depth++;
        return depth * 2;
    }

    private static string NameOf(XElement scope, XName name)
    {
        if (name.Namespace == XNamespace.None) return name.LocalName;
        string? prefix = name.Namespace == XNamespace.Xml ? "xml" : scope.GetPrefixOfNamespace(name.Namespace);
        return string.IsNullOrEmpty(prefix) ? name.LocalName : $"{prefix}:{name.LocalName}";
    }

    private static string DeclarationOf(XAttribute attribute) => attribute.Name.Namespace == XNamespace.None ? "xmlns" : $"xmlns:{attribute.Name.LocalName}";

    /// <summary>What XML cannot have is left out, as libvirt does.</summary>
    private static void Escape(StringBuilder text, string value, char quote, bool isAttribute)
    {
        foreach (char character in value)
        {
            switch (character)
            {
                case '<': text.Append("&lt;"); break;
                case '>': text.Append("&gt;"); break;
                case '&': text.Append("&amp;"); break;
                case '"' when quote == '\'' || isAttribute: text.Append("&quot;"); break;
                case '\'' when quote == '\'': text.Append("&apos;"); break;
                case '\n' or '\t' when isAttribute: text.Append("&#").Append((int)character).Append(';'); break;
                case '\r': text.Append("&#13;"); break;
                case < ' ' and not ('\n' or '\t') or '\uFFFE' or '\uFFFF': break;
                default: text.Append(character); break;
            }
        }
    }
}
