using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Xunit;

namespace Hutch.Tests.Tidy;

/// <summary>Rules of STYLE.md that the compiler does not know.</summary>
public sealed partial class CodeTests
{
    /// <summary>Unsafe members without an explanation when the rule came: may shrink, not grow. One per line: number, file.</summary>
    private const string UnexplainedUnsafe = "tests/Hutch.Tests/Tidy/unexplained-unsafe.txt";

    /// <summary>Static fields that change: each with why it must.</summary>
    private static readonly Dictionary<string, string> MutableStatics = new() { };

    [Fact]
    public void Every_unsafe_block_says_why_it_is_safe()
    {
        Dictionary<string, int> allowed = Ratchet.Read(UnexplainedUnsafe);
        List<string> found = [];
        foreach (string file in Repository.Sources("src"))
        {
            int before = found.Count;
            // Declarations of the C library have no body that could go wrong.
            if (Path.GetFileName(file).StartsWith("Libc.", StringComparison.Ordinal)) continue;
            SyntaxNode tree = Repository.Tree(file);
            foreach (SyntaxNode node in tree.DescendantNodes().Where(IsUnsafe))
            {
                SyntaxNode explained = node is UnsafeStatementSyntax ? node.FirstAncestorOrSelf<MemberDeclarationSyntax>() ?? node : node;
                if (!explained.ToFullString().Contains("SAFETY:", StringComparison.Ordinal))
                    found.Add($"{Repository.Place(file, node)}: unsafe code without a SAFETY comment; say which invariant holds and who upholds it.");
            }
            if (found.Count - before <= allowed.GetValueOrDefault(file)) found.RemoveRange(before, found.Count - before);
        }
        Findings.None(found);
    }

    [Fact]
    public void A_thing_to_do_is_an_issue_and_not_a_comment() =>
        Findings.None(Find(Repository.Sources(), BareTodo(), "a bare note; open an issue and write its number, or do it."));

    [Fact]
    public void Static_fields_do_not_change()
    {
        List<string> found = [];
        foreach (string file in Repository.Sources("src"))
        {
            foreach (FieldDeclarationSyntax field in Repository.Tree(file).DescendantNodes().OfType<FieldDeclarationSyntax>())
            {
                string[] modifiers = [.. field.Modifiers.Select(modifier => modifier.Text)];
                if (!modifiers.Contains("static") || modifiers.Contains("readonly") || modifiers.Contains("const")) continue;
                string name = field.Declaration.Variables[0].Identifier.Text;
                if (field.AttributeLists.ToString().Contains("ThreadStatic", StringComparison.Ordinal) || MutableStatics.ContainsKey($"{file} {name}")) continue;
                found.Add($"{Repository.Place(file, field)}: the static field {name} can change; give the state an owner.");
            }
        }
        Findings.None(found);
    }

    [Fact]
    public void A_namespace_is_its_folder()
    {
        List<string> found = [];
        foreach (string file in Repository.Sources("src", "tests"))
        {
            string expected = Path.GetDirectoryName(file[(file.IndexOf('/') + 1)..])!.Replace('/', '.');
            foreach (BaseNamespaceDeclarationSyntax space in Repository.Tree(file).DescendantNodes().OfType<BaseNamespaceDeclarationSyntax>())
                if (space.Name.ToString() != expected) found.Add($"{Repository.Place(file, space)}: the namespace {space.Name} is not its folder; write {expected}.");
        }
        Findings.None(found);
    }

    [Fact]
    public void No_folder_is_a_drawer_for_anything()
    {
        string[] drawers = ["Common", "Util", "Utils", "Utilities", "Helper", "Helpers", "Base", "Misc", "Manager", "Managers", "Shared"];
        Findings.None(Repository.Sources().Where(file => file.Split('/').Intersect(drawers).Any()).Select(file => $"{file}: name the folder by what it provides."));
    }

    [Fact]
    public void No_region_hides_code() => Findings.None(Find(Repository.Sources(), Region(), "a region; split the file instead."));

    [Fact]
    public void Nothing_names_a_path_of_one_machine()
    {
        IEnumerable<string> files = Repository.Sources().Concat(Repository.Files(".", "*.md")).Concat(Repository.Files(".", "*.sh"));
        Findings.None(Find(files, MachinePath(), "a path that exists on one machine only."));
    }

    private static bool IsUnsafe(SyntaxNode node) => node switch
    {
        UnsafeStatementSyntax => true,
        // Members without a body (extern, partial, abstract, fields) have nothing that could go wrong.
        BaseMethodDeclarationSyntax method => method.Modifiers.Any(SyntaxKind.UnsafeKeyword) && (method.Body is not null || method.ExpressionBody is not null),
        LocalFunctionStatementSyntax method => method.Modifiers.Any(SyntaxKind.UnsafeKeyword),
        _ => false,
    };

    private static IEnumerable<string> Find(IEnumerable<string> files, Regex pattern, string advice)
    {
        foreach (string file in files)
        {
            string[] lines = Repository.Text(file).Split('\n');
            for (int i = 0; i < lines.Length; i++)
                if (pattern.IsMatch(lines[i])) yield return $"{file}:{i + 1}: {advice}";
        }
    }

    [GeneratedRegex(@"(//|/\*|#).*\b([T]ODO|[F]IXME|[H]ACK|[X]XX)\b(?!\(#\d+\))")]
    private static partial Regex BareTodo();

    [GeneratedRegex(@"^\s*#(end)?region\b")]
    private static partial Regex Region();

    [GeneratedRegex("/(work|tmp/w)/[a-z]")]
    private static partial Regex MachinePath();
}
