using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;
using Xunit;

namespace Hutch.Tests.Tidy;

/// <summary>What documents name exists.</summary>
public sealed partial class DocumentTests
{
    [Fact]
    public void Paths_in_documents_exist()
    {
        List<string> found = [];
        foreach (string document in Documents())
        {
            string[] lines = Repository.Text(document).Split('\n');
            for (int i = 0; i < lines.Length; i++)
                foreach (string path in PathsIn(lines[i]))
                    if (!Exists(document, path)) found.Add($"{document}:{i + 1}: there is no {path}; correct the text.");
        }
        Findings.None(found);
    }

    [Fact]
    public void Every_project_has_a_readme_and_is_in_the_solution()
    {
        string solution = Repository.Text("Hutch.slnx");
        List<string> found = [];
        foreach (string project in Repository.Files(".", "*.csproj").Select(file => file.TrimStart('.', '/')))
        {
            if (!File.Exists(Path.Combine(Repository.Root, Path.GetDirectoryName(project)!, "README.md"))) found.Add($"{project}: no README.md beside it; say what it is and what may not be in it.");
            if (!solution.Contains($"\"{project}\"", StringComparison.Ordinal)) found.Add($"{project}: not in Hutch.slnx.");
        }
        Findings.None(found);
    }

    [Fact]
    public void Decisions_have_numbers_of_their_own()
    {
        string[] names = [.. Repository.Files("docs/decisions", "*.md").Select(file => Path.GetFileName(file))];
        Findings.None(names.Where(name => !NumberedName().IsMatch(name)).Select(name => $"docs/decisions/{name}: the name is not NNNN-title.md."));
        Findings.None(names.GroupBy(name => name[..4]).Where(same => same.Count() > 1).Select(same => $"docs/decisions/{same.Last()}: the number {same.Key} is taken."));
    }

    private static IEnumerable<string> Documents() =>
        Repository.Files(".", "*.md").Select(file => file.StartsWith("./", StringComparison.Ordinal) ? file[2..] : file);

    /// <summary>Targets of relative links, and what stands in backticks and looks like a path of this repository.</summary>
    private static IEnumerable<string> PathsIn(string line)
    {
        foreach (Match match in Link().Matches(line)) yield return match.Groups[1].Value;
        foreach (Match match in Backticks().Matches(line)) yield return match.Groups[1].Value;
    }

    private static bool Exists(string document, string path) =>
        Path.Exists(Path.Combine(Repository.Root, path)) || Path.Exists(Path.Combine(Repository.Root, Path.GetDirectoryName(document)!, path));

    [GeneratedRegex(@"^\d{4}-[a-z0-9-]+\.md$")]
    private static partial Regex NumberedName();

    [GeneratedRegex(@"\]\((?!https?:|#|mailto:)([^)#\s]+)")]
    private static partial Regex Link();

    [GeneratedRegex(@"`((?:src|tests|tools|docs|bench|\.ci)/[A-Za-z0-9_./-]+)`")]
    private static partial Regex Backticks();
}
