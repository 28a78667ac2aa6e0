using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using Microsoft.CodeAnalysis;

namespace Hutch.Generators;

/// <summary>Makes the structures of the libvirt wire protocol, their codecs, and a descriptor for each procedure and event of <c>procedures.txt</c>.</summary>
[Generator]
public sealed class ProcedureGenerator : IIncrementalGenerator
{
    private const string Table = "procedures.txt", Namespace = "Hutch.Daemon.Libvirt.Protocol";

    private static readonly DiagnosticDescriptor BadLine =
        new("HUTCH001", "A line of the table of procedures is wrong", "Line {0} of {1}: {2}", "Hutch", DiagnosticSeverity.Error, isEnabledByDefault: true);

    /// <inheritdoc/>
    public void Initialize(IncrementalGeneratorInitializationContext context)
    {
        IncrementalValuesProvider<string> tables = context.AdditionalTextsProvider.Where(file => Path.GetFileName(file.Path) == Table)
            .Select((file, cancellation) => file.GetText(cancellation)?.ToString() ?? "");
        context.RegisterSourceOutput(tables, (output, text) => Generate(text, output));
    }

    private static void Generate(string text, SourceProductionContext output)
    {
        StringBuilder structures = new(Head()), procedures = new(), events = new();
        string program = "";
        string[] lines = text.Split('\n');
        for (int index = 0; index < lines.Length; index++)
        {
            try
            {
                if (ProcedureLine.Parse(lines[index]) is not { } line) continue;
                switch (line.Kind)
                {
                    case "program":
                        program = $"0x{line.Number:x8}";
                        break;
                    case "struct":
                        AddStructure(structures, line.Name, line.Fields);
                        break;
                    case "event":
                        AddEvent(structures, events, program, line);
                        break;
                    default:
                        AddProcedure(structures, procedures, program, line);
                        break;
                }
            }
            catch (FormatException wrong)
            {
                output.ReportDiagnostic(Diagnostic.Create(BadLine, Location.None, index + 1, Table, wrong.Message));
            }
        }
        output.AddSource("Structures.g.cs", structures.ToString());
        output.AddSource("Procedures.g.cs", Class("Procedures", "Every procedure of the table.", procedures));
        output.AddSource("Events.g.cs", Class("Events", "Every event of the table.", events));
    }

    private static void AddProcedure(StringBuilder structures, StringBuilder procedures, string program, ProcedureLine line)
    {
        string name = ProcedureLine.Pascal(line.Name);
        string arguments = AddBody(structures, $"{name}Args", line.Fields), reply = AddBody(structures, $"{name}Reply", line.Reply!);
        procedures.AppendLine($"    internal static readonly Procedure<{arguments}, {reply}> {name} = new({program}, {line.Number}, \"{line.Name}\", Access.{ProcedureLine.Pascal(line.Kind)});");
    }

    private static void AddEvent(StringBuilder structures, StringBuilder events, string program, ProcedureLine line)
    {
        string name = ProcedureLine.Pascal(line.Name);
        string body = AddBody(structures, $"{name}Body", line.Fields);
        events.AppendLine($"    internal static readonly Event<{body}> {name} = new({program}, {line.Number});");
    }

    private static string AddBody(StringBuilder structures, string name, IReadOnlyList<WireField> fields)
    {
        if (fields.Count == 0) return "Nothing";
        AddStructure(structures, name, fields);
        return name;
    }

    private static void AddStructure(StringBuilder structures, string name, IReadOnlyList<WireField> fields)
    {
        List<(string Name, WireType Type)> members = [.. fields.Select(field => (ProcedureLine.Pascal(field.Name), WireType.Of(field.Type)))];
        structures.AppendLine($"internal readonly record struct {name}({string.Join(", ", members.Select(member => $"{member.Type.Name} {member.Name}"))}) : IXdr<{name}>")
            .AppendLine("{")
            .AppendLine($"    public static {name} Read(ref XdrReader xdr) => new({string.Join(", ", members.Select(member => member.Type.Read))});")
            .AppendLine("    public void Write(XdrWriter xdr)")
            .AppendLine("    {");
        foreach ((string member, WireType type) in members) structures.AppendLine("        " + type.Write.Replace("{0}", member));
        structures.AppendLine("    }").AppendLine("}");
    }

    private static string Head() => $"// Made of {Table} by Hutch.Generators.\n#nullable enable\nusing Hutch.Daemon.Libvirt.Xdr;\n\nnamespace {Namespace};\n\n";

    private static string Class(string name, string summary, StringBuilder members) => $"{Head()}/// <summary>{summary}</summary>\ninternal static class {name}\n{{\n{members}}}\n";
}
