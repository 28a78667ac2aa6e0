using System.Collections.Generic;
using System.Linq;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Xunit;

namespace Hutch.Tests.Tidy;

/// <summary>Files and methods stay small enough to be read at once.</summary>
public sealed class SizeTests
{
    private const int MostLinesOfFile = 800, MostLinesOfMethod = 70, MostPartsOfClass = 2, MostMembersOfInterface = 12;

    /// <summary>Methods that were longer when the rule came: they may shrink, not grow. One per line: lines, file, name.</summary>
    private const string LongMethods = "tests/Hutch.Tests/Tidy/long-methods.txt";

    [Fact]
    public void Files_are_short()
    {
        IEnumerable<string> long_ = Repository.Sources().Select(file => (file, Lines: Repository.Text(file).Count(c => c == '\n')))
            .Where(entry => entry.Lines > MostLinesOfFile).Select(entry => $"{entry.file}:1: {entry.Lines} lines; split it by the state that its parts own.");
        Findings.None(long_);
    }

    [Fact]
    public void Methods_fit_a_screen_and_old_giants_do_not_grow()
    {
        Dictionary<string, int> allowed = Ratchet.Read(LongMethods);
        List<string> found = [];
        foreach (string file in Repository.Sources())
        {
            foreach (SyntaxNode node in Repository.Tree(file).DescendantNodes().Where(node => node is BaseMethodDeclarationSyntax or LocalFunctionStatementSyntax))
            {
                FileLinePositionSpan span = node.GetLocation().GetLineSpan();
                int lines = span.EndLinePosition.Line - span.StartLinePosition.Line + 1;
                string name = node switch { MethodDeclarationSyntax method => method.Identifier.Text, LocalFunctionStatementSyntax local => local.Identifier.Text, _ => "constructor" };
                if (lines > MostLinesOfMethod && lines > allowed.GetValueOrDefault($"{file} {name}"))
                    found.Add($"{Repository.Place(file, node)}: {name} has {lines} lines; name its parts and move them out ({MostLinesOfMethod} is the most).");
            }
        }
        Findings.None(found);
    }

    [Fact]
    public void A_partial_class_has_at_most_two_hand_written_parts()
    {
        IEnumerable<string> split = Repository.Sources("src")
            .SelectMany(file => Repository.Tree(file).DescendantNodes().OfType<TypeDeclarationSyntax>()
                .Where(type => type.Modifiers.Any(modifier => modifier.Text == "partial") && type.Parent is BaseNamespaceDeclarationSyntax)
                .Select(type => (Name: $"{((BaseNamespaceDeclarationSyntax)type.Parent!).Name}.{type.Identifier.Text}", file)))
            .GroupBy(part => part.Name)
            // Libc is one class by the rule that a native library is declared in one place, a file for each group of calls.
            .Where(parts => parts.Key != "Hutch.Host.Linux.Libc" && parts.Select(part => part.file).Distinct().Count() > MostPartsOfClass)
            .Select(parts => $"{parts.First().file}:1: {parts.Key} has {parts.Count()} parts; give its parts names of their own.");
        Findings.None(split);
    }

    [Fact]
    public void Interfaces_are_small()
    {
        IEnumerable<string> fat = Repository.Sources("src").SelectMany(file => Repository.Tree(file).DescendantNodes().OfType<InterfaceDeclarationSyntax>()
            .Where(type => type.Members.Count > MostMembersOfInterface)
            .Select(type => $"{Repository.Place(file, type)}: {type.Identifier.Text} has {type.Members.Count} members; split it by who uses them."));
        Findings.None(fat);
    }
}
